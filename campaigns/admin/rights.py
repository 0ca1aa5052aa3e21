"""Who may see and change what on the screens: the table of roles, read once per request."""

from __future__ import annotations

from django.http import HttpRequest

from campaigns.accounts.roles import Right, rights_by_account
from campaigns.accounts.tenancy import accounts_of

__all__ = ["Right", "accounts_of", "may"]


def may(request: HttpRequest, right: Right, *, account_id: int | None = None) -> bool:
    """Whether the person has the right in this account, or in any account when none is given."""
    user = request.user
    if not (user.is_active and user.is_staff):
        return False
    if user.is_superuser:
        return True
    rights = _rights_of(request)
    if account_id is not None:
        return right in rights.get(account_id, frozenset())
    return any(right in found for found in rights.values())


def _rights_of(request: HttpRequest) -> dict[int, frozenset[Right]]:
    known: dict[int, frozenset[Right]] | None = getattr(request, "sealpost_rights", None)
    if known is None:
        known = rights_by_account(request.user)
        # Kept on the request: one page asks dozens of times.
        setattr(request, "sealpost_rights", known)  # noqa: B010
    return known
