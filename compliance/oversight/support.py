"""What support needs to know about a message, a send or a campaign: ids, states, moments and codes. Nobody is named."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.accounts.tenancy import access_campaign, access_message, access_submission
from campaigns.models import Account, Event, Message, Submission
from compliance import audit
from compliance.audit import Ref
from compliance.models import Approval, AuditEvent

KINDS = ("message", "submission", "campaign")
_MOST = 1_000


def make_bundle(account: Account, *, kind: str, public_id: str, actor: Ref) -> dict[str, Any]:
    """The bundle, and its event in the trail; raises NotFound for what is not the account's."""
    assert kind in KINDS
    content = _READ[kind](account, public_id)
    found = str(content[kind])
    content["audit"] = _of_trail(account, kind, found)
    with transaction.atomic():
        audit.record("support.bundled", owner=str(account.public_id), actor=actor, about=Ref(kind, found), data={})
    return content


def _of_message(account: Account, public_id: str) -> dict[str, Any]:
    message = access_message(account, public_id)
    events = Event.objects.filter(message=message).order_by("at", "pk").values_list("kind", "at", "code")
    return {
        "message": str(message.public_id),
        "submission": str(message.submission.public_id),
        "state": message.state,
        "attempts": message.attempts,
        "next_attempt_at": _moment(message.next_attempt_at),
        "sent_at": _moment(message.sent_at),
        "done_at": _moment(message.done_at),
        "error_code": message.error_code,
        "events": [{"kind": kind, "at": _moment(at), "code": code} for kind, at, code in events],
    }


def _of_submission(account: Account, public_id: str) -> dict[str, Any]:
    return _submission(access_submission(account, public_id))


def _submission(submission: Submission) -> dict[str, Any]:
    messages = Message.objects.filter(submission=submission).order_by("pk")[:_MOST]
    rows = messages.values_list("public_id", "state", "attempts", "error_code", "done_at")
    return {
        "submission": str(submission.public_id),
        "door": submission.door,
        "lane": submission.lane,
        "state": submission.state,
        "transport_kind": submission.transport.kind,
        "planned": submission.planned,
        "send_at": _moment(submission.send_at),
        "valid_until": _moment(submission.valid_until),
        "finished_at": _moment(submission.finished_at),
        "messages": [
            {"message": str(public_id), "state": state, "attempts": tries, "error_code": code, "done_at": _moment(at)}
            for public_id, state, tries, code, at in rows
        ],
    }


def _of_campaign(account: Account, public_id: str) -> dict[str, Any]:
    campaign = access_campaign(account, public_id)
    submissions = Submission.objects.filter(campaign=campaign).select_related("transport").order_by("pk")
    return {
        "campaign": str(campaign.public_id),
        "kind": campaign.kind,
        "state": campaign.state,
        "submissions": [_submission(row) for row in submissions],
        "approvals": _approvals(campaign.pk),
    }


_READ = {"message": _of_message, "submission": _of_submission, "campaign": _of_campaign}


def _approvals(campaign_id: int) -> list[dict[str, Any]]:
    return [
        {
            "approval": str(row.public_id), "revision": row.revision, "state": row.state, "digest": row.digest,
            "recipients": row.recipients, "submitted_at": _moment(row.submitted_at),
            "ended_at": _moment(row.ended_at), "ended_because": row.ended_because,
        }
        for row in Approval.objects.filter(campaign=campaign_id).order_by("revision")
    ]  # fmt: skip


def _of_trail(account: Account, kind: str, public_id: str) -> list[dict[str, Any]]:
    rows = AuditEvent.objects.filter(owner=str(account.public_id), thing_kind=kind, thing_id=public_id).order_by("seq")
    return [{"seq": row.seq, "at": _moment(row.at), "action": row.action} for row in rows[:_MOST]]


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
