"""Whom not to write to. The screen shows no address, only what is known of it: looking one up needs the address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.admin.campaign_figures import reason_bars
from campaigns.admin.lookup import LookupForm, read_keys
from campaigns.admin.paging import CappedPaginator
from campaigns.admin.rights import Right, accounts_of
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.scoping import scope_rows
from campaigns.admin.suppression_files import SuppressionFiles
from campaigns.admin.suppression_forms import SCOPES, THEIR_OWN, LiftForm, NewSuppressionForm
from campaigns.audiences import preferences, suppression
from campaigns.errors import AddressError
from campaigns.models import (
    HIPAA_REASONS,
    BaaStatus,
    Contact,
    ContactList,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)

_FOLDER = "admin/campaigns/suppression"
_REASONS_OF = timedelta(days=90)


class ReasonFilter(admin.SimpleListFilter):
    """Why; the wishes under HIPAA only for somebody in an account that has or had an agreement."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        under_agreement = accounts_of(request.user).exclude(baa_status=BaaStatus.NONE).exists()
        return [
            (reason.value, reason.label)
            for reason in SuppressionReason
            if under_agreement or reason not in HIPAA_REASONS
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> QuerySet[Suppression]:  # noqa: ARG002
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(Suppression)
class SuppressionAdmin(RoomScreen):
    """Entries of one's accounts: added, looked up, lifted; never edited."""

    right_to_change: ClassVar[Right] = Right.MANAGE_SUPPRESSIONS
    list_display = ("scope_words", "reason", "list", "note", "added")
    list_display_links = ("scope_words",)
    list_filter = ("scope", ReasonFilter)
    list_select_related = ("list",)
    ordering = ("-pk",)
    paginator = CappedPaginator
    list_lead: ClassVar[str] = (
        "People who must not be written to. Their addresses are never shown here, and looking one up needs the address."
    )
    add_label: ClassVar[str] = "Add an address"
    change_list_template = f"{_FOLDER}/change_list.html"

    @admin.display(description="What they get", ordering="scope")
    def scope_words(self, row: Suppression) -> str:
        if row.scope == SuppressionScope.SENDER:
            return f"No marketing from {row.sender}"
        return dict(SCOPES)[SuppressionScope(row.scope)]

    def get_urls(self) -> list[URLPattern]:
        look_up = self.page("lookup/", self.look_up, name="lookup")
        return [look_up, *SuppressionFiles(self).urls(), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            "lookup": LookupForm(),
            "lookup_url": self.url_of(view="lookup"),
            "import_url": self.url_of(view="import"),
            "export_url": self.url_of(view="export"),
            "reasons": reason_bars(self._reasons(request)),
        }
        response: HttpResponse = super().changelist_view(request, context | (extra_context or {}))
        return response

    def _reasons(self, request: HttpRequest) -> list[tuple[str, int]]:
        since = timezone.now() - _REASONS_OF
        return preferences.reasons_of_accounts(accounts_of(request.user), since=since)

    def look_up(self, request: HttpRequest) -> HttpResponse:
        """What is known of one address; answered where it was asked, so the address is in no web address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            keys = read_keys(request)
        except AddressError as error:
            messages.error(request, error.safe_text)
            return HttpResponseRedirect(self.url_of(view="changelist"))
        rows = self.get_queryset(request).filter(address_key__in=keys).select_related("list", "account")
        found = [(row, self.scope_words(row), self.url_of(row)) for row in rows]
        people = Contact.objects.filter(account__in=accounts_of(request.user), address_key__in=keys)
        stories = [reverse("admin:campaigns_contact_story", args=(person.public_id,)) for person in people]
        title = "What is known of this address"
        return self.show(request, f"{_FOLDER}/found.html", title=title, found=found, stories=stories)

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Add one address."""

        def add(given: dict[str, Any]) -> str:
            account = given["account"]
            key = tokens.address_key(addresses.parse(given["address"]), account=account.public_id)
            suppression.suppress(
                account,
                address_key=key,
                scope=given["scope"],
                reason=given["reason"],
                list=given["list"],
                note=given["note"],
                by=request.user,
            )
            messages.success(request, "Remembered. It counts from the very next mail on.")
            return self.url_of(view="changelist")

        lists = scope_rows(ContactList, request)
        form = NewSuppressionForm(request.POST or None, accounts=self.accounts_to_change(request), lists=lists)
        return self.show_form(request, form, add, title=self.add_label, button="Do not write to them")

    def row_page(self, request: HttpRequest, row: Suppression, /) -> HttpResponse:
        """One entry, and the way to lift it."""
        if request.method == "POST":
            self.require_change(request, row)

        def lift(given: dict[str, Any]) -> str:
            # The admin log keeps who, when and why; the row's own text names nobody.
            self.log_change(request, row, f"Lifted {timezone.now():%Y-%m-%d}: {given['note']}")
            suppression.lift(row, note=given["note"], by=request.user)
            messages.success(request, "Lifted. Lists this person had left stay left.")
            return self.url_of(view="changelist")

        return self.show_form(
            request,
            LiftForm(request.POST or None, row=row),
            lift,
            title=self.scope_words(row),
            template=f"{_FOLDER}/page.html",
            row=row,
            is_their_own=row.reason in THEIR_OWN,
            is_hipaa=row.reason in HIPAA_REASONS,
            may_change=self.has_change_permission(request, row),
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        # Lifting asks why; deleting would not.
        return False
