"""Every screen of protected mail, in one place: importing this module registers them all."""

from compliance.admin import approvals, authorizations, sends, stops

__all__ = ["approvals", "authorizations", "sends", "stops"]
