"""Authorizations people signed for uses of their protected data: recorded from a file, revoked by an address."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.admin.pages import AccountForm
from campaigns.admin.words import show_time
from campaigns.audiences.sheets import RowProblem, SheetRefused, SheetRow, read_sheet
from campaigns.errors import AddressError
from campaigns.models import Account
from campaigns.planning.hipaa import wishes
from compliance import authorizations
from compliance.admin.acting import person_of
from compliance.admin.protected import ProtectedScreen
from compliance.authorizations import Signed
from compliance.models import Authorization

_COLUMNS = ("reference", "signed_on", "expires_on", "paid")
_YES, _NO = frozenset({"yes", "y", "true", "1"}), frozenset({"no", "n", "false", "0", ""})


class RecordForm(AccountForm):
    """A file of signed authorizations."""

    file = forms.FileField(
        label="Authorizations (CSV or Excel .xlsx)",
        help_text="Columns: Email, Reference, Signed on, Expires on (may be empty), Paid (yes or no). Dates as 2027-01-31. "
        "A column Purpose may say marketing (as without it) or other. Of the addresses only fingerprints are kept.",
    )


class RevokeForm(AccountForm):
    """Somebody who takes back what they signed."""

    address = forms.CharField(max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"}))

    def clean_address(self) -> addresses.Address:
        try:
            return addresses.parse(self.cleaned_data["address"])
        except AddressError as error:
            raise forms.ValidationError(error.safe_text) from None


@admin.register(Authorization)
class AuthorizationAdmin(ProtectedScreen):
    """Authorizations of one's accounts, by their references: whose they are, nobody can read here."""

    list_display = ("reference", "purpose", "signed_on", "expires_on", "is_paid", "revoked")
    ordering = ("-pk",)
    list_lead: ClassVar[str] = (
        "Marketing with protected information, and whatever else rests on authorizations, goes only to people whose signed "
        "authorization for it is on file at the moment the mail would leave (45 CFR 164.508)."
    )
    add_label: ClassVar[str] = "Record authorizations"
    adding_roles: ClassVar[frozenset[str]] = authorizations.RECORDING_ROLES
    change_list_template = "admin/hipaa/authorizations.html"

    def get_urls(self) -> list[URLPattern]:
        return [self.page("revoke/", self.revoke, name="revoke"), *super().get_urls()]

    @admin.display(description="Revoked")
    def revoked(self, row: Authorization) -> str:
        return show_time(row.revoked_at)

    # --- Views -----------------------------------------------------------------------------------

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Read a file; all of it is right, or nothing is kept."""

        def record(given: dict[str, Any]) -> str:
            account: Account = given["account"]
            signed = list(_read(read_sheet(given["file"].read()).rows, account))
            by, now = person_of(request, account), timezone.now()
            added = wishes.record_authorizations(account, signed, by=by, user=request.user, now=now)
            messages.success(request, f"{added:,} authorizations recorded, {len(signed) - added:,} were known already.")
            return self.url_of(view="changelist")

        form = RecordForm(request.POST or None, request.FILES or None, accounts=self.accounts_to_change(request))
        return self.show_form(request, form, record, title=self.add_label, button="Check and record")

    def revoke(self, request: HttpRequest) -> HttpResponse:
        """End what somebody signed; the address is compared and not kept."""
        accounts = self.accounts_to_change(request)
        if not accounts.exists():
            return HttpResponseRedirect(self.url_of(view="changelist"))

        def end(given: dict[str, Any]) -> str:
            account: Account = given["account"]
            key = tokens.address_key(given["address"], account=account.public_id)
            by = person_of(request, account)
            count = wishes.revoke_authorizations(account, address_key=key, by=by, user=request.user, now=timezone.now())
            messages.success(
                request, f"{count} authorizations ended. Nothing that needs one leaves for this person from now on."
            )
            return self.url_of(view="changelist")

        form = RevokeForm(request.POST or None, accounts=accounts)
        title = "Somebody revoked their authorization"
        return self.show_form(request, form, end, title=title, button="End it now", button_class="btn-danger")


def _read(rows: tuple[SheetRow, ...], account: Account) -> Iterator[Signed]:
    """What each row says; raises SheetRefused for all of them when one cannot be read."""
    problems: list[RowProblem] = []
    found: list[Signed] = []
    for row in rows:
        try:
            found.append(_read_row(row.values, tokens.address_key(row.address, account=account.public_id)))
        except (KeyError, ValueError):
            problems.append(
                RowProblem(row.line, "A date, the reference, the purpose or the answer to “paid” cannot be read.")
            )
    if problems:
        raise SheetRefused(problems)
    yield from found


def _read_row(values: Mapping[str, str], key: str) -> Signed:
    reference, signed_on, expires_on, paid = (values[name] for name in _COLUMNS)
    if not reference or len(reference) > 60 or paid.casefold() not in _YES | _NO:
        raise ValueError
    ends = date.fromisoformat(expires_on) if expires_on else None
    purpose = Authorization.Purpose((values.get("purpose") or Authorization.Purpose.MARKETING).casefold())
    return Signed(key, reference, date.fromisoformat(signed_on), ends, paid.casefold() in _YES, purpose)
