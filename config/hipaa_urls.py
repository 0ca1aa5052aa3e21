"""Addresses of the HIPAA hosts (HIPAA_HOSTS). At every other host they do not exist."""

from django.urls import include, path

from compliance.api.eligibility import answer_at_hipaa_host

urlpatterns = [
    path("hipaa/v1/eligibility", answer_at_hipaa_host, name="eligibility-list"),
    path("", include("compliance.api.app")),
]
