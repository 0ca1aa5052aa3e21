"""Every screen of compliance, in one place: importing this module registers them all."""

from compliance.admin import (
    accounting,
    agreements,
    approvals,
    authorizations,
    emergencies,
    incidents,
    kept,
    precision,
    protocols,
    reviews,
    selfchecks,
    sends,
    stops,
    trail,
)

__all__ = [
    "accounting", "agreements", "approvals", "authorizations", "emergencies", "incidents", "kept", "precision", "protocols",
    "reviews", "selfchecks", "sends", "stops", "trail",
]  # fmt: skip
