"""What the screens about protected mail share: who sees them, and that rows are changed by rooms alone."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest

from campaigns.admin.rights import accounts_of
from campaigns.admin.room_screens import ReadOnly, RoomScreen
from campaigns.models import Account, BaaStatus
from compliance.admin.acting import works_under_agreement


class ProtectedScreen(ReadOnly, RoomScreen):
    """A screen for people in an account that has, had or awaits an agreement; its pages ask for roles and call a room."""

    adding_roles: ClassVar[frozenset[str]] = frozenset()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return works_under_agreement(request) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.accounts_to_change(request).exists()

    def accounts_to_change(self, request: HttpRequest) -> QuerySet[Account]:
        """The accounts under an agreement in which the person has a role that adds rows here."""
        allowed = accounts_of(request.user).exclude(baa_status=BaaStatus.NONE)
        return allowed.filter(memberships__user=request.user.pk, memberships__role__in=self.adding_roles).distinct()
