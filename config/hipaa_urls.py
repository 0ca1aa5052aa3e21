"""Addresses of the HIPAA hosts (HIPAA_HOSTS). At every other host they do not exist."""

from django.urls import include, path

urlpatterns = [path("", include("compliance.api.app"))]
