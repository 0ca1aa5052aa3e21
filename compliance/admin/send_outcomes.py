"""What became of a HIPAA send: how far it is, each message by id and masked address, and the evidence to download."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.utils import timezone

from campaigns.admin.campaign_words import explain, explain_reasons
from campaigns.models import CampaignState, HipaaSend
from campaigns.outbox import first_batch
from campaigns.outbox.first_batch import Standing
from campaigns.outbox.reports import campaign_report
from campaigns.planning.hipaa import checking, outcome
from compliance import audit
from compliance.admin.send_steps import say_standing
from compliance.admin.step_up import ask_for_factor
from compliance.approvals import quorum
from compliance.approvals.quorum import NotAllowed, Person
from compliance.audit import Ref
from compliance.evidence.bundle import write_evidence
from compliance.models import Approval

if TYPE_CHECKING:
    from compliance.admin.sends import HipaaSendAdmin

_FOLDER = "admin/hipaa"
_PER_PAGE = 50
READING_ROLES = frozenset({"author", "approver", "compliance", "auditor"})


class SendOutcomes:
    """Views of the HIPAA sends' admin; every one gets its send through the admin's own scoped queryset."""

    def __init__(self, admin: HipaaSendAdmin) -> None:
        self.admin = admin

    def urls(self) -> list[URLPattern]:
        page = self.admin.page
        return [
            page("<uuid:public_id>/progress/", self.show_progress, name="progress"),
            page("<uuid:public_id>/messages/", self.list_messages, name="messages"),
            page("<uuid:public_id>/evidence.zip", self.download_evidence, name="evidence"),
        ]

    def show_progress(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The progress card alone, for the page that watches."""
        send, by = self.admin.find_send(request, public_id)
        context = describe_progress(self.admin, send, by)
        response = self.admin.show(request, f"{_FOLDER}/_progress.html", title="", send=send, **context).render()
        response["X-Live"] = "true" if context["is_live"] else "false"
        response["X-Spoken"] = context["spoken"]
        response["Cache-Control"] = "no-store"
        return response

    def list_messages(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """What became of each message: by id and masked address; there is no search."""
        send, by = self.admin.find_send(request, public_id)
        if not by.roles & READING_ROLES:
            raise PermissionDenied
        submission = checking.find_submission(send)
        page = outcome.page_messages(submission, number=request.GET.get("page", ""), size=_PER_PAGE)
        rows = outcome.list_outcomes(submission, list(page)) if submission else []
        shown = [(row, explain(row.code) if row.code else "") for row in rows]
        owner, about = str(send.account.public_id), Ref("campaign", str(send.public_id))
        audit.note("phi.viewed", owner=owner, actor=Ref("person", str(by.id)), about=about, data={"masked": len(rows)})
        response = self.admin.show(
            request, f"{_FOLDER}/messages.html", title="Messages", obj=send, send=send, page=page, rows=shown
        )
        response["Cache-Control"] = "no-store"
        return response

    def download_evidence(self, request: HttpRequest, public_id: UUID) -> HttpResponseBase:
        """A ZIP that proves how the newest revision was approved and what became of it, without address or content."""
        send, by = self.admin.find_send(request, public_id)
        if not by.roles & READING_ROLES:
            raise PermissionDenied
        approval = Approval.objects.filter(campaign=send.pk).order_by("-revision").first()
        if approval is None:
            raise Http404
        try:
            quorum.check_factor(by)
        except NotAllowed as error:
            return ask_for_factor(request, error)
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        write_evidence(
            file,
            approval,
            messages=outcome.list_evidence(approval),
            scopes=outcome.list_scopes(approval),
            actor=Ref("person", str(by.id)),
            now=timezone.now(),
        )
        file.seek(0)
        name = f"evidence-{str(send.public_id)[:8]}.zip"
        response = FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
        response["Cache-Control"] = "no-store"
        return response


def describe_progress(admin: HipaaSendAdmin, send: HipaaSend, by: Person) -> dict[str, Any]:
    """How far a send is, for its page and its progress card."""
    report, first = campaign_report(send), find_first(send)
    percent = 100 * report.settled // report.planned if report.planned else 0
    return {
        "report": report,
        "percent": percent,
        "reasons": explain_reasons(report.reasons),
        "is_live": send.state == CampaignState.SENDING,
        "waits_because": next((one.waits_because for one in send.submissions.all() if one.waits_until), ""),
        "first": first,
        "first_standing": say_standing(first) if first else "",
        "may_release": bool(by.roles & quorum.RELEASING_ROLES),
        "spoken": f"{report.settled:,} of {report.planned:,} done",
        "progress_url": admin.url_of(send, view="progress"),
    }


def find_first(send: HipaaSend) -> Standing | None:
    """How the first messages of a running send stand, None when no others wait for them."""
    if send.state not in {CampaignState.SENDING, CampaignState.PAUSED}:
        return None
    submission = checking.find_submission(send)
    batch = first_batch.find_waiting(submission.pk) if submission is not None else None
    return first_batch.describe(batch) if batch is not None else None
