"""Reviewing a send: all it is made of on one page, then a decision that is signed over exactly that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone

from campaigns import jobs
from campaigns.admin.pages import refuse
from campaigns.content.synthetic import KINDS, ROW_LABELS
from campaigns.errors import CampaignError
from campaigns.models import HipaaSend
from campaigns.planning.hipaa import checking, previews, starting, tls
from compliance import marketing, scanning
from compliance.admin import review_facts, send_preview
from compliance.admin.acting import network_of, person_of
from compliance.admin.protocols import RoutineForm
from compliance.admin.send_forms import StatementForm
from compliance.admin.step_up import ask_for_factor
from compliance.admin.words import BASES, ENDED, PARTS, REJECTIONS, state_of
from compliance.approvals import protocols, quorum, routine, voting
from compliance.approvals.attest import BY_CODE
from compliance.approvals.contributions import contributors_of
from compliance.approvals.policy import get_policy
from compliance.approvals.quorum import NotAllowed, Person
from compliance.approvals.states import State
from compliance.models import Approval, SendProtocol

if TYPE_CHECKING:
    from compliance.admin.approvals import ApprovalAdmin

_FOLDER = "admin/hipaa"


class ReviewPages:
    """Views of the approvals' admin; every one gets its approval through the admin's own scoped queryset."""

    def __init__(self, admin: ApprovalAdmin) -> None:
        self.admin = admin

    def urls(self) -> list[URLPattern]:
        page = self.admin.page
        return [
            page("<uuid:public_id>/approve/", self.approve, name="approve"),
            page("<uuid:public_id>/reject/", self.reject, name="reject"),
            page("<uuid:public_id>/preview/", self.preview, name="preview"),
            page("<uuid:public_id>/routine/", self.make_routine, name="routine"),
        ]

    def show(self, request: HttpRequest, approval: Approval, *, form: StatementForm | None = None) -> HttpResponse:
        """Everything the send is made of, and the two decisions for whoever may take them."""
        send, by, now = self._send(approval), person_of(request, approval.account), timezone.now()
        submission = checking.find_submission(send)
        word, tone = state_of(approval.state)
        facts: dict[str, Any] = {}
        if submission is not None:
            facts = {"domains": review_facts.count_domains(submission), "tls": tls.look_ahead(submission, now=now)}
        return self.admin.show(
            request,
            f"{_FOLDER}/review.html",
            title=f"Review: {send.name}",
            obj=approval,
            approval=approval,
            send=send,
            word=word,
            tone=tone,
            ended=ENDED.get(approval.ended_because, ""),
            votes=list(approval.votes.select_related("voter").order_by("at")),
            **facts,
            difference=previews.compare_revisions(approval),
            parts=PARTS,
            kinds={name: kind.label for name, kind in KINDS.items()},
            rows=ROW_LABELS,
            hands=review_facts.list_hands(approval),
            overrides=review_facts.list_overrides(send, approval, now=now),
            found=review_facts.list_newly_found(send, approval, now=now),
            links=review_facts.list_addresses(send),
            size=review_facts.measure(send),
            judgement=marketing.judge(send.terms.answers),
            basis=BASES.get(send.terms.legal_basis, ""),
            suppressed=checking.count_suppressed(send),
            unauthorized=checking.count_unauthorized(send, now=now),
            stated=[(row, BY_CODE[row.code]) for row in review_facts.list_statements(approval) if row.code in BY_CODE],
            form=form or StatementForm(fixed=self._fixed(send)),
            protocol=routine.protocol_of(approval),
            routine=SendProtocol.objects.filter(approval=approval, ended_at=None).first(),
            may_make=_may_make(approval, by),
            rejections=[(code, ENDED[code].capitalize()) for code in REJECTIONS],
            **self._may(approval, by),
        )

    def approve(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """One person's approval, signed over what was on their page; the last one lets it begin."""
        approval, send, by = self._find(request, public_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = StatementForm(request.POST, fixed=self._fixed(send))
        now = timezone.now()
        try:
            form.is_valid()
            is_enough = voting.approve(
                approval,
                by=by,
                seen=request.POST.get("seen", ""),
                attested=form.attested(),
                confirmed=request.POST.getlist("confirmed"),
                network=network_of(request),
                now=now,
            )
        except NotAllowed as error:
            return ask_for_factor(request, error, back=self.admin.url_of(approval))
        except CampaignError as error:
            refuse(form, error)
            approval.refresh_from_db()
            return self.show(request, approval, form=form)
        if is_enough:
            jobs.ring(starting.START_JOB, approval.pk)
            messages.success(
                request, "Approved. It leaves as soon as its time has come, exactly as it was on your page."
            )
        else:
            messages.success(request, "Approved. Somebody else has to approve it, too.")
        return self._back(approval)

    def reject(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Back to its author, with a reason."""
        approval, send, by = self._find(request, public_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        note = request.POST.get("note", "").strip()
        try:
            _check_note(send, note)
            voting.reject(approval, by=by, reason=request.POST.get("reason", ""), note=note, now=timezone.now())
        except NotAllowed as error:
            return ask_for_factor(request, error, back=self.admin.url_of(approval))
        except CampaignError as error:
            messages.error(request, f"{error.safe_text} {error.action}".strip())
        else:
            messages.success(request, "Rejected. Its author sees why.")
        return self._back(approval)

    def make_routine(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Let sends like this one leave with one approval from now on."""
        approval, _, by = self._find(request, public_id)
        try:
            protocols.check_may_make(approval, by=by)
        except NotAllowed as error:
            return ask_for_factor(request, error)
        except CampaignError as error:
            messages.error(request, f"{error.safe_text} {error.action}".strip())
            return self._back(approval)

        def make(given: dict[str, Any]) -> str:
            protocols.make_protocol(approval, days=given["days"], by=by, now=timezone.now())
            messages.success(request, "Sends like this one need one approval from now on.")
            return self.admin.url_of(approval)

        return self.admin.show_form(
            request, RoutineForm(request.POST or None), make, title="Make it routine", button="Make it routine", obj=approval,
            intro=f"Sends like this one, to {approval.recipients:,} people at most, will need one approval instead of "
            f"{approval.needed}. Whatever differs takes all of them: the template, a value, the sender, the way to send, the "
            "purpose, the legal basis, what its author states. Nobody approves what they made, as ever.",
        )  # fmt: skip

    def preview(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail with made-up values, for a sandboxed frame."""
        _, send, _ = self._find(request, public_id)
        return send_preview.answer(request, send, send.content)

    def _find(self, request: HttpRequest, public_id: UUID) -> tuple[Approval, HipaaSend, Person]:
        approval: Approval = self.admin.find_object(request, public_id)
        return approval, self._send(approval), person_of(request, approval.account)

    def _send(self, approval: Approval) -> HipaaSend:
        send = HipaaSend.objects.select_related("account", "content__template").filter(pk=approval.campaign_id).first()
        if send is None:
            raise Http404
        return send

    def _may(self, approval: Approval, by: Person) -> dict[str, Any]:
        """Whether this person decides about it, and if not, why."""
        if approval.state != State.IN_REVIEW:
            return {"may_decide": False, "why_not": ""}
        try:
            quorum.check_may_approve(
                by,
                submitted_by=approval.submitted_by_id,
                contributions=contributors_of(approval),
                allows_importers=get_policy(approval.account_id).allows_importers,
            )
        except NotAllowed as error:
            is_stale = error.code == "approval.factor-stale"
            return {"may_decide": is_stale, "why_not": f"{error.safe_text} {error.action}", "is_stale": is_stale}
        return {"may_decide": not approval.votes.filter(voter=by.id).exists(), "why_not": ""}

    def _fixed(self, send: HipaaSend) -> dict[str, str]:
        return {"basis": send.terms.legal_basis}

    def _back(self, approval: Approval) -> HttpResponseRedirect:
        return HttpResponseRedirect(self.admin.url_of(approval))


def _may_make(approval: Approval, by: Person) -> bool:
    """Whether to offer it; the second factor is asked for on the way."""
    try:
        protocols.check_may_make(approval, by=replace(by, factor_age=timedelta(0)))
    except CampaignError:
        return False
    return True


def _check_note(send: HipaaSend, note: str) -> None:
    """A note is read by its author and kept for years: it names nobody."""
    found = scanning.scan(
        send.account_id,
        owner=str(send.account.public_id),
        send=str(send.public_id),
        parts={"campaign-name": note},
        now=timezone.now(),
    )
    if any(hit.found.level == "block" for hit in found.hits):
        raise CampaignError(
            "hipaa.support-phi", "The note seems to name somebody or a condition.", action="Say it without."
        )
