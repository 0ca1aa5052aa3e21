"""Emergency access: opened by whoever needs it, seen by the officers at once, reviewed by another of them."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html

from campaigns.admin.words import show_time
from campaigns.models import Account, BaaStatus, Membership
from compliance import vault
from compliance.admin.acting import person_of
from compliance.admin.oversight import OVERSEEING, OversightScreen
from compliance.approvals.quorum import Person
from compliance.models import EmergencyAccess
from compliance.oversight import emergency


class OpenForm(forms.Form):
    """Where, and why."""

    account = forms.ModelChoiceField(queryset=Account.objects.none(), empty_label="Choose an account")
    reason = forms.CharField(
        min_length=emergency.SHORTEST_REASON,
        max_length=1000,
        label="Why you need it",
        help_text="At least 20 characters. Name no patient. It is sealed, and the officers read it.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )


class ReviewForm(forms.Form):
    was_right = forms.TypedChoiceField(
        label="Your judgement",
        choices=[
            ("yes", "It was an emergency, and what was done was right"),
            ("no", "It was not right; I follow it up"),
        ],
        coerce=lambda word: word == "yes",
        widget=forms.RadioSelect,
    )


@admin.register(EmergencyAccess)
class EmergencyAccessAdmin(OversightScreen):
    """Who took an officer's place, when and why; everybody who works with protected mail may open it."""

    list_display = ("opened", "account", "person", "state")
    list_select_related = ("account", "person")
    list_lead: ClassVar[str] = (
        "When no compliance officer can be reached, somebody else takes their place for two hours. Officers see it at once."
    )
    add_label: ClassVar[str] = "Open emergency access…"
    roles: ClassVar[tuple[str, ...]] = (*OVERSEEING, *emergency.OPENING_ROLES)

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<uuid:public_id>/close/", self.close, name="close"), *super().get_urls()]

    def overseen(self, request: HttpRequest) -> QuerySet[Account]:
        return super().overseen(request).exclude(baa_status=BaaStatus.NONE)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return bool(request.user.is_active) and self.overseen(request).exists()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._openable(request).exists()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(account__in=self.overseen(request))

    @admin.display(description="Opened", ordering="opened_at")
    def opened(self, row: EmergencyAccess) -> str:
        return show_time(row.opened_at)

    @admin.display(description="State")
    def state(self, row: EmergencyAccess) -> str:
        now = timezone.now()
        if row.closed_at is None and now < row.until:
            tone, word = "is-bad", f"Open until {timezone.localtime(row.until):%H:%M}"
        elif row.reviewed_at:
            tone, word = ("is-ok", "Reviewed") if row.was_right else ("is-warn", "Reviewed: not right")
        else:
            is_late = now > row.opened_at + emergency.REVIEW_WITHIN
            tone, word = ("is-bad", "Review overdue") if is_late else ("is-info", "To review")
        return format_html('<span class="badge {}">{}</span>', tone, word)

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Ask why, say what will happen, and open it."""
        accounts = self._openable(request)
        first = accounts.first()
        if first is None:
            raise Http404
        form = OpenForm(request.POST or None, initial={"account": first if accounts.count() == 1 else None})
        form.fields["account"].queryset = accounts  # type: ignore[attr-defined]
        account = form.cleaned_data["account"] if request.method == "POST" and form.is_valid() else first

        def do(given: dict[str, Any], by: Person) -> str:
            access = emergency.open_access(account, reason=given["reason"], by=by, now=timezone.now())
            messages.warning(
                request, f"You are compliance officer of {account} until {timezone.localtime(access.until):%H:%M}."
            )
            return self.url_of(access)

        return self.act(
            request, form, do, account=account, title="Emergency access", button="Open it", button_class="btn-danger",
            intro="For two hours you may do what the compliance officer may. All officers of the account see it at once, all"
            " you do is recorded, and one of them reviews it afterwards.",
        )  # fmt: skip

    def row_page(self, request: HttpRequest, row: EmergencyAccess, /) -> HttpResponse:
        """What it was for; an officer reviews it."""
        is_officer = self.is_officer(request, row.account)
        may_review = row.reviewed_at is None and is_officer and row.person_id != request.user.pk
        form = ReviewForm(request.POST or None)
        if request.method == "POST" and not may_review:
            raise Http404

        def do(given: dict[str, Any], by: Person) -> str:
            emergency.review(row, was_right=given["was_right"], by=by, now=timezone.now())
            messages.success(request, "Your review is recorded.")
            return self.url_of(view="changelist")

        context: dict[str, Any] = {
            "title": "Emergency access", "obj": row, "row": row, "state": self.state(row), "may_review": may_review,
            "reason": _read(row) if is_officer or row.person_id == request.user.pk else "",
            "is_open": row.closed_at is None and timezone.now() < row.until,
            "close_url": reverse("admin:compliance_emergencyaccess_close", args=(row.public_id,)),
        }  # fmt: skip
        template = "admin/compliance/emergencyaccess/page.html"
        if request.method == "POST":
            return self.act(request, form, do, account=row.account, template=template, **context)
        return self.show(request, template, form=form, **context)

    def close(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """End it before its time."""
        row: EmergencyAccess = self.find_object(request, public_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        emergency.close_access(row, by=person_of(request, row.account), now=timezone.now())
        messages.success(request, "The emergency access is over.")
        return HttpResponseRedirect(self.url_of(view="changelist"))

    def _openable(self, request: HttpRequest) -> QuerySet[Account]:
        mine = Membership.objects.filter(user=request.user.pk, role__in=emergency.OPENING_ROLES)
        return Account.objects.filter(pk__in=mine.values("account")).exclude(baa_status=BaaStatus.NONE)


def _read(row: EmergencyAccess) -> str:
    try:
        return emergency.read_reason(row)
    except (vault.SealBroken, vault.KeysUnavailable):
        return "It cannot be opened at the moment."
