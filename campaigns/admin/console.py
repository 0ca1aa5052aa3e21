"""The test console: write a request as a program would, send it into the sandbox, see what the API answers and the mail.

The request is answered by the Email API itself; only who asks is vouched for instead of shown by a key
(docs/adr/0018-the-test-console-asks-the-api-itself.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, reverse
from django.utils import timezone

from campaigns.accounts.vouching import vouch_for
from campaigns.admin.campaign_words import explain
from campaigns.admin.console_bodies import ENDPOINTS, kind_of
from campaigns.admin.console_call import ask_logs, call_api, make_pretty
from campaigns.admin.console_forms import SAMPLES, ConsoleForm
from campaigns.admin.console_snippets import write_curl, write_python
from campaigns.models import Account, BaaStatus, Domain, Message, MessageState, Purpose, SandboxMail, Trial
from campaigns.outbox import trials
from campaigns.tracking.timeline import Moment, tell_stories
from compliance import vault
from compliance.features import check_eligible

if TYPE_CHECKING:
    from campaigns.admin.room_screens import RoomScreen

_FOLDER = "admin/campaigns/apikey"
_SHOWN = 8
# So long somebody looks at the page; what has not ended by then waits for something.
_WATCHED = timedelta(minutes=3)
_MOVING = {MessageState.QUEUED, MessageState.SENDING}
_TONES = {2: "is-ok", 4: "is-warn", 5: "is-bad"}
_STATE_TONES = {MessageState.SENT: "is-ok", MessageState.DELIVERED: "is-ok", MessageState.QUEUED: "is-info",
                MessageState.SENDING: "is-info"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One mail of a trial: its state in words, what happened so far, and where to read it."""

    message: Message
    tone: str
    moments: list[tuple[Moment, str]]
    mail_url: str


class ConsolePages:
    """Pages beside the API keys, for whoever may make one: a stranger finds nothing here."""

    def __init__(self, admin: RoomScreen) -> None:
        self.admin = admin

    def urls(self) -> list[URLPattern]:
        page = self.admin.page
        return [
            page("console/", self.write, name="console"),
            page("console/<uuid:public_id>/", self.show_trial, name="trial"),
            page("console/<uuid:public_id>/mails/", self.show_mails, name="trial_mails"),
        ]

    def write(self, request: HttpRequest) -> HttpResponse:
        """The form; sent, it leads to the page of the trial."""
        accounts = self._accounts(request)
        act = request.POST.get("act", "")
        if act:
            form = ConsoleForm(request.POST, accounts=accounts)
            if form.is_valid():
                if act == "send":
                    return self._send(request, form)
                # Written for the person to look at, and to change.
                form = ConsoleForm(initial=form.shown_written(), accounts=accounts)
        else:
            form = ConsoleForm(initial=self._first(request, accounts), accounts=accounts)
        recent = self._trials(request).defer("exchange_sealed")[:_SHOWN]
        return self.admin.show(
            request,
            f"{_FOLDER}/console.html",
            title="Test console",
            form=form,
            is_written=act == "write",
            samples=[(name, label, name == request.GET.get("sample")) for name, (label, _) in SAMPLES.items()],
            recent=[(row, _TONES.get(row.status // 100, ""), self._url(row)) for row in recent],
        )

    def _send(self, request: HttpRequest, form: ConsoleForm) -> HttpResponse:
        given, body = form.cleaned_data, form.written()
        purpose = Purpose(given["purpose"] or Purpose.TRANSACTIONAL)
        credential = vouch_for(request.user, form.chosen_account, purpose=purpose)
        exchange = call_api(credential, endpoint=given["endpoint"], body=body, form=form.again())
        return HttpResponseRedirect(self._url(trials.keep_trial(form.chosen_account, exchange, by=request.user)))

    def _first(self, request: HttpRequest, accounts: QuerySet[Account]) -> dict[str, Any]:
        """What the form shows at first: an earlier request to be changed, or a sample from the account's own domain."""
        if again := request.GET.get("again"):
            exchange = self._open(self._find(request, again))
            return {**exchange.form, "body": exchange.request_body}
        domain = Domain.objects.filter(account__in=accounts).order_by("-verified_at", "pk").first()
        _, sample = SAMPLES.get(request.GET.get("sample", ""), SAMPLES["simple"])
        endpoint = request.GET.get("endpoint", "")
        sender = f"Shop <shop@{domain.name if domain else 'example.org'}>"
        return {"sender": sender, "endpoint": endpoint if endpoint in ENDPOINTS else "messages", **sample}

    def show_trial(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The request, the answer, and the mails that came of it."""
        trial = self._find(request, public_id)
        exchange = self._open(trial)
        endpoint = next(name for name, entry in ENDPOINTS.items() if entry.path == exchange.path)
        told = exchange.told_ids()
        lines = self._lines(trial, told)
        is_live = _is_live(trial, lines, now=timezone.now())
        kind = kind_of(endpoint, exchange.request_body)
        wire = {"host": settings.PUBLIC_URL, "kind": kind, "body": exchange.request_body}
        logs = ""
        if lines and not is_live:
            logs = ask_logs(vouch_for(request.user, trial.account, purpose=Purpose.TRANSACTIONAL), told)
        return self.admin.show(
            request,
            f"{_FOLDER}/trial.html",
            title="What came of it",
            trial=trial,
            exchange=exchange,
            tone=_TONES.get(exchange.status // 100, ""),
            answer=make_pretty(exchange.body),
            curl=write_curl(endpoint, **wire),
            python=write_python(endpoint, **wire),
            client=ENDPOINTS[endpoint].client,
            lines=lines,
            told=told,
            logs=logs,
            is_live=is_live,
            watch_url=self.admin.url_of(trial, view="trial_mails"),
            console_url=self.admin.url_of(view="console"),
        )

    def show_mails(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mails as they are now, for the page that watches them."""
        trial = self._find(request, public_id)
        lines = self._lines(trial, self._open(trial).told_ids())
        response = render(request, f"{_FOLDER}/_mails.html", {"lines": lines})
        response["X-Live"] = "true" if _is_live(trial, lines, now=timezone.now()) else "false"
        response["X-Spoken"] = "Waiting for the mail"
        return response

    def _lines(self, trial: Trial, told: list[str]) -> list[Line]:
        messages = trials.find_messages(trial, told)
        stories = tell_stories(messages)
        kept = SandboxMail.objects.filter(account=trial.account_id, message_id__in=[row.public_id for row in messages])
        mails = dict(kept.order_by("pk").values_list("message_id", "public_id"))
        return [
            Line(
                message,
                _STATE_TONES.get(MessageState(message.state), "is-warn"),
                [(moment, explain(moment.code) if moment.code else "") for moment in stories[message.pk]],
                _mail_url(mails.get(message.public_id)),
            )
            for message in messages
        ]

    def _url(self, trial: Trial) -> str:
        return self.admin.url_of(trial, view="trial")

    def _find(self, request: HttpRequest, public_id: UUID | str) -> Trial:
        try:
            found = self._trials(request).filter(public_id=UUID(str(public_id))).first()
        except ValueError:
            found = None
        if found is None:
            raise Http404
        return found

    def _trials(self, request: HttpRequest) -> QuerySet[Trial]:
        return Trial.objects.filter(account__in=self._accounts(request)).select_related("account").order_by("-pk")

    def _open(self, trial: Trial) -> trials.Exchange:
        try:
            return trials.open_trial(trial)
        except vault.SealBroken:
            raise Http404 from None

    def _accounts(self, request: HttpRequest) -> QuerySet[Account]:
        """The accounts whose keys the person manages; of those under an agreement none is written for (hipaa.md R1)."""
        managed = self.admin.accounts_to_change(request)
        if not managed:
            raise Http404
        ordinary = managed.filter(baa_status=BaaStatus.NONE)
        if not ordinary:
            check_eligible("api.email", baa_status=managed[0].baa_status)
        return ordinary


def _is_live(trial: Trial, lines: list[Line], *, now: datetime) -> bool:
    """Whether something may still happen while somebody looks: mails of later, or put off, are not waited for."""
    soon = now + _WATCHED
    moving = any(line.message.state in _MOVING and line.message.next_attempt_at <= soon for line in lines)
    return moving and now - trial.created_at < _WATCHED


def _mail_url(public_id: UUID | None) -> str:
    return reverse("admin:campaigns_sandboxmail_change", args=(public_id,)) if public_id else ""
