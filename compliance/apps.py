"""The compliance app: may this mail go to this person now, and proof of it."""

from importlib import import_module

from django.apps import AppConfig

# Importing the rules registers them; without them the gate blocks everything.
from compliance import checks, rules

__all__ = ["ComplianceConfig", "checks", "rules"]


class ComplianceConfig(AppConfig):
    name = "compliance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # These ask tables, which are there only now.
        import_module("compliance.vault.checks")
        import_module("compliance.audit.checks")
