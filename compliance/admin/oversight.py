"""What the screens of oversight share: who sees them, a fresh second factor before what weighs, refusals in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from campaigns.admin.guard import keep
from campaigns.admin.pages import refuse
from campaigns.admin.rights import accounts_of
from campaigns.admin.room_screens import ReadOnly, RoomPages
from campaigns.errors import CampaignError
from campaigns.models import Account, Membership, Role
from compliance.admin.acting import person_of
from compliance.admin.step_up import ask_for_factor
from compliance.approvals import quorum
from compliance.approvals.quorum import NotAllowed, Person

OVERSEEING = (Role.COMPLIANCE, Role.AUDITOR)


class OversightScreen(ReadOnly, RoomPages):
    """A screen for compliance officers and auditors, of their accounts; superusers see all. Nothing here is edited."""

    roles: ClassVar[tuple[str, ...]] = OVERSEEING

    def overseen(self, request: HttpRequest) -> models.QuerySet[Account]:
        """The accounts this person may look at here."""
        rows = accounts_of(request.user)
        if request.user.is_superuser:
            return rows
        mine = Membership.objects.filter(user=request.user.pk, role__in=self.roles)
        return rows.filter(pk__in=mine.values("account"))

    def owners(self, request: HttpRequest) -> list[str]:
        """The same, as tables of proof name accounts."""
        return [str(public_id) for public_id in self.overseen(request).values_list("public_id", flat=True)]

    def find_account(self, request: HttpRequest, public_id: UUID) -> Account:
        """The account, or 404 for one this person does not oversee."""
        found = self.overseen(request).filter(public_id=public_id).first()
        if found is None:
            raise Http404
        return found

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        known: bool | None = getattr(request, "sealpost_oversees", None)
        if known is None:
            known = request.user.is_active and self.overseen(request).exists()
            # The navigation asks for every screen.
            setattr(request, "sealpost_oversees", known)  # noqa: B010
        return known

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def is_officer(self, request: HttpRequest, account: Account) -> bool:
        """Whether the person may change what is shown, not only look."""
        person = person_of(request, account)
        return person.is_superuser or Role.COMPLIANCE in person.roles

    def act(
        self,
        request: HttpRequest,
        form: forms.Form,
        do: Callable[[dict[str, Any], Person], str],
        *,
        account: Account,
        title: str,
        **context: Any,
    ) -> HttpResponse:
        """A page with a form for something that weighs: with a fresh second factor; `do` works and says where to go."""
        person = person_of(request, account)
        if request.method == "GET":
            # Asked before anything is typed, not after.
            try:
                quorum.check_factor(person)
            except NotAllowed as error:
                return ask_for_factor(request, error)
        elif form.is_valid():
            try:
                return HttpResponseRedirect(do(form.cleaned_data, person))
            except NotAllowed as error:
                asked = ask_for_factor(request, error)
                # Whoever took longer than the second factor holds does not type it again.
                keep(request, path=request.path, now=timezone.now())
                return asked
            except CampaignError as error:
                refuse(form, error)
        return self.show(request, context.pop("template", "admin/_form_page.html"), title=title, form=form, **context)
