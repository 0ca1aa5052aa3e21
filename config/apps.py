"""Puts our own admin site in the place of Django's, and registers the system checks."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin

from config import checks

__all__ = ["ConfigConfig", "SealpostAdminConfig", "checks"]


class SealpostAdminConfig(admin.SimpleAdminConfig):
    """Django's admin with our site; only our own screens, so no table of a third party shows up by itself."""

    default_site = "campaigns.admin.site.SealpostAdminSite"

    def ready(self) -> None:
        super().ready()
        import_module("campaigns.admin.screens")
        import_module("compliance.admin.screens")


class ConfigConfig(AppConfig):
    name = "config"
