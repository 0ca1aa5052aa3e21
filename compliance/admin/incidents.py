"""Incidents: written down at once, judged by four factors, and the clock of sixty days on the page."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns.admin.pages import AccountForm
from campaigns.admin.words import show_time
from campaigns.models import Account, BaaStatus, Message
from compliance.admin.oversight import OversightScreen
from compliance.approvals.quorum import Person
from compliance.models import Incident
from compliance.oversight import incidents

_FOLDER = "admin/compliance/incident"
_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class IncidentForm(AccountForm):
    """What is known so far."""

    kind = forms.ChoiceField(choices=Incident.Kind.choices, label="What happened")
    discovered_at = forms.DateTimeField(
        label="When it was discovered",
        help_text="The clock of 60 days starts here, not when you fill this in.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    sends = forms.CharField(
        required=False, label="Sends it is about", widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Ids of sends, one a line, as they stand in reports. How many people they reached is counted for you.",
    )  # fmt: skip
    reference = forms.CharField(
        required=False, max_length=60, label="Your own number for it", help_text="Such as SEC-2026-17. Name nobody."
    )


class AssessForm(forms.Form):
    """The four factors of 45 CFR 164.402(2), and what follows."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in incidents.FACTORS.items():
            levels = [(level, level.capitalize()) for level in incidents.LEVELS]
            self.fields[name] = forms.ChoiceField(choices=levels, label=label, widget=forms.RadioSelect)
        self.fields["decision"] = forms.ChoiceField(
            choices=Incident.Decision.choices, label="Decision", widget=forms.RadioSelect,
            help_text="Unless the probability is low, it counts as a breach.",
        )  # fmt: skip


class ToldForm(forms.Form):
    people = forms.DateField(required=False, label="The people were told on", widget=_DAY)
    authority = forms.DateField(required=False, label="The authority (HHS) was told on", widget=_DAY)


@admin.register(Incident)
class IncidentAdmin(OversightScreen):
    """Incidents of one's accounts; officers write and judge."""

    list_display = ("discovered", "account", "what", "reached", "state", "until")
    list_select_related = ("account",)
    list_lead: ClassVar[str] = (
        "Whenever protected information may have gone astray. Write it down first and judge it then."
    )
    add_label: ClassVar[str] = "Report an incident"

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/assess/", self.assess, name="assess"),
            self.page("<uuid:public_id>/told/", self.told, name="told"),
            self.page("<uuid:public_id>/close/", self.close, name="close"),
            self.page("<uuid:public_id>/affected/", self.affected, name="affected"),
            *super().get_urls(),
        ]

    def overseen(self, request: HttpRequest) -> QuerySet[Account]:
        return super().overseen(request).exclude(baa_status=BaaStatus.NONE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(account__in=self.overseen(request))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return any(self.is_officer(request, account) for account in self.overseen(request))

    @admin.display(description="Discovered", ordering="discovered_at")
    def discovered(self, row: Incident) -> str:
        return show_time(row.discovered_at)

    @admin.display(description="What happened")
    def what(self, row: Incident) -> str:
        return row.get_kind_display()

    @admin.display(description="People")
    def reached(self, row: Incident) -> str:
        return f"{row.people:,}"

    @admin.display(description="State")
    def state(self, row: Incident) -> str:
        if row.closed_at:
            tone, word = "is-muted", "Closed"
        elif not row.decision:
            tone, word = "is-warn", "To judge"
        elif row.decision == Incident.Decision.BREACH:
            tone, word = "is-bad", "Breach"
        else:
            tone, word = "is-ok", "Low probability"
        return format_html('<span class="badge {}">{}</span>', tone, word)

    @admin.display(description="Tell the people until")
    def until(self, row: Incident) -> str:
        if row.closed_at or row.people_told_on or row.decision == Incident.Decision.LOW:
            return "–"
        left = (incidents.find_deadlines(row).people - timezone.now()).days
        day = f"{incidents.find_deadlines(row).people:%-d %b %Y}"
        return f"{day} ({left} days left)" if left >= 0 else f"{day} (over)"

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Write down what is known."""
        accounts = self.overseen(request)
        first = accounts.first()
        if first is None or not self.has_add_permission(request):
            raise Http404
        form = IncidentForm(request.POST or None, accounts=accounts, initial={"discovered_at": timezone.localtime()})
        account = form.cleaned_data["account"] if request.method == "POST" and form.is_valid() else first

        def do(given: dict[str, Any], by: Person) -> str:
            row = incidents.open_incident(
                account, kind=given["kind"], discovered_at=given["discovered_at"], sends=given["sends"].split(),
                reference=given["reference"].strip(), by=by, now=timezone.now(),
            )  # fmt: skip
            messages.success(request, "It is written down. Judge it as soon as you know enough.")
            return self.url_of(row)

        return self.act(
            request, form, do, account=account, title=self.add_label, button="Write it down",
            intro="If mail is still leaving that should not: stop everything first, then come back.",
        )  # fmt: skip

    def row_page(self, request: HttpRequest, row: Incident, /) -> HttpResponse:
        """What is known, the clock, and what can be done."""
        factors = [(label, row.factors.get(name, "")) for name, label in incidents.FACTORS.items()]
        return self.show(
            request, f"{_FOLDER}/page.html", title=row.get_kind_display(), obj=row, row=row, state=self.state(row),
            until=self.until(row), deadlines=incidents.find_deadlines(row), factors=factors,
            is_officer=self.is_officer(request, row.account) and not row.closed_at, many=row.people >= incidents.MANY,
            urls={name: self.url_of(row, view=name) for name in ("assess", "told", "close", "affected")},
        )  # fmt: skip

    def assess(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The four factors and the decision."""
        row = self._officers(request, public_id)
        form = AssessForm(request.POST or None, initial={**row.factors, "decision": row.decision})

        def do(given: dict[str, Any], by: Person) -> str:
            factors = {name: given[name] for name in incidents.FACTORS}
            incidents.assess(row, factors=factors, decision=given["decision"], by=by, now=timezone.now())
            return self.url_of(row)

        return self.act(request, form, do, account=row.account, title="Judge the incident", button="Record", obj=row)

    def told(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """When whom was told."""
        row = self._officers(request, public_id)
        form = ToldForm(
            request.POST or None, initial={"people": row.people_told_on, "authority": row.authority_told_on}
        )

        def do(given: dict[str, Any], by: Person) -> str:
            incidents.note_told(row, people=given["people"], authority=given["authority"], by=by, now=timezone.now())
            return self.url_of(row)

        return self.act(request, form, do, account=row.account, title="Who was told", button="Record", obj=row)

    def close(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Everything is done; asked once."""
        row = self._officers(request, public_id)
        form = forms.Form(request.POST if request.method == "POST" else None)

        def do(_: dict[str, Any], by: Person) -> str:
            incidents.close(row, by=by, now=timezone.now())
            messages.success(request, "The incident is closed.")
            return self.url_of(view="changelist")

        return self.act(
            request, form, do, account=row.account, title="Close the incident", button="Close it", obj=row,
            intro="It stays on record for six years. A closed incident is not opened again.",
        )  # fmt: skip

    def affected(self, request: HttpRequest, public_id: UUID) -> StreamingHttpResponse:
        """Ids of the messages, for whoever tells the people: each line leads to one message, none names anybody."""
        row: Incident = self.find_object(request, public_id)
        rows = Message.objects.filter(submission__public_id__in=row.sends, submission__account=row.account).order_by(
            "pk"
        )
        lines = (
            json.dumps({"message": str(message), "state": state, "person": key[:12]}) + "\n"
            for message, state, key in rows.values_list("public_id", "state", "address_key").iterator(chunk_size=2_000)
        )
        answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
        answer.headers["Content-Disposition"] = f'attachment; filename="incident-{row.public_id}.jsonl"'
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def _officers(self, request: HttpRequest, public_id: UUID) -> Incident:
        row: Incident = self.find_object(request, public_id)
        if row.closed_at or not self.is_officer(request, row.account):
            raise Http404
        return row
