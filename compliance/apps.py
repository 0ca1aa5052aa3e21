"""The compliance app: may this mail go to this person now, and proof of it."""

from django.apps import AppConfig

# Importing the rules registers them; without them the gate blocks everything.
from compliance import checks, rules

__all__ = ["ComplianceConfig", "checks", "rules"]


class ComplianceConfig(AppConfig):
    name = "compliance"
    default_auto_field = "django.db.models.BigAutoField"
