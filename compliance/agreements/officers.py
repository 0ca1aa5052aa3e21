"""Who may change agreements: the compliance officer, and whoever runs the installation."""

from __future__ import annotations

from compliance.approvals import quorum
from compliance.approvals.quorum import NotAllowed, Person


def check_is_officer(person: Person) -> None:
    """Raises NotAllowed unless this is an active compliance officer or superuser with a fresh second factor."""
    is_officer = person.is_superuser or "compliance" in person.roles
    if person.is_service or not person.is_active or not is_officer:
        raise NotAllowed(
            "approval.role-missing",
            "Agreements are the compliance officer's.",
            action="Ask the compliance officer.",
        )
    quorum.check_factor(person)
