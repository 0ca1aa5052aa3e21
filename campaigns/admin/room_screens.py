"""Screens whose pages call a room instead of saving a form of the table."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from campaigns.admin.scoping import AccountScopedAdmin, SealpostAdmin


class RoomPages(SealpostAdmin):
    """A screen with pages of its own for adding and for a row."""

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.add_page(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        return self.row_page(request, self.find_object(request, object_id))

    def add_page(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002
        """The page for somebody who may add; a screen without one adds nothing."""
        raise PermissionDenied

    def row_page(self, request: HttpRequest, row: Any, /) -> HttpResponse:  # noqa: ARG002
        """The page of a row this person may see; a screen without one shows only its list."""
        raise Http404


class RoomScreen(RoomPages, AccountScopedAdmin):
    """Such a screen of rows that belong to an account."""


class ReadOnly:
    """For such screens, named before them: nobody adds, edits or deletes a row by Django's own pages."""

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False
