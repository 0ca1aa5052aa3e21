"""Accounting of disclosures (45 CFR 164.528): asked by address, which is in no web address, log or event."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.admin.pages import AccountForm
from campaigns.errors import AddressError
from campaigns.models import Account, BaaStatus
from compliance import audit, disclosures
from compliance.admin.oversight import OversightScreen
from compliance.audit import Ref
from compliance.models import Disclosure


class LookupForm(AccountForm):
    """Whose disclosures."""

    address = forms.CharField(
        max_length=320, label="Address of the person", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    everything = forms.BooleanField(
        required=False, label="Also those the law does not count",
        help_text="Treatment, payment, operations, to the person themselves, or under their authorization.",
    )  # fmt: skip

    def clean_address(self) -> addresses.Address:
        try:
            return addresses.parse(self.cleaned_data["address"].strip())
        except AddressError as error:
            raise ValidationError(f"{error.safe_text} {error.action}") from None


@admin.register(Disclosure)
class DisclosureAdmin(OversightScreen):
    """One form and its answer; there is no list of everybody."""

    list_lead: ClassVar[str] = "To whom protected information about a person went, for when they ask."

    def overseen(self, request: HttpRequest) -> QuerySet[Account]:
        return super().overseen(request).exclude(baa_status=BaaStatus.NONE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return bool(request.user.is_active) and self.overseen(request).exists()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        if not self.has_view_permission(request):
            raise Http404
        form = LookupForm(request.POST or None, accounts=self.overseen(request))
        found = None
        if request.method == "POST" and form.is_valid():
            found = self._look_up(request, form.cleaned_data)
        answer = self.show(
            request,
            "admin/compliance/disclosure/list.html",
            title="Disclosures",
            form=form,
            found=found,
            lead=self.list_lead,
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _look_up(self, request: HttpRequest, given: dict[str, Any]) -> list[Disclosure]:
        account: Account = given["account"]
        owner = str(account.public_id)
        key = tokens.address_key(given["address"], account=account.public_id)
        with transaction.atomic():
            found = disclosures.account_for(key, owner=owner, now=timezone.now(), with_uncounted=given["everything"])
            # By the count, not the person: the trail must not say whose accounting was asked for.
            data: dict[str, audit.Value] = {"report": "accounting", "count": len(found)}
            actor = Ref("person", str(request.user.pk))
            audit.record("evidence.exported", owner=owner, actor=actor, about=Ref("account", owner), data=data)
        return found
