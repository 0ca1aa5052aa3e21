"""Every screen of compliance, in one place: importing this module registers them all."""

from compliance.admin import accounting, agreements, emergencies, incidents, kept, reviews, trail

__all__ = ["accounting", "agreements", "emergencies", "incidents", "kept", "reviews", "trail"]
