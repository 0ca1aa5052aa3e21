"""What support needs to know about a message, a campaign or a submission: ids, states, moments and codes."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction

from campaigns.accounts.tenancy import access_campaign, access_message, access_submission, find_account
from campaigns.models import Account, Event, Message, Submission
from compliance import audit
from compliance.audit import Ref
from compliance.management.base import ComplianceCommand, operator
from compliance.models import Approval, AuditEvent

_MOST_MESSAGES = 1_000


class Command(ComplianceCommand):
    help = "Print ids, states, moments and codes of a message, a submission or a campaign. No address, no name, no content."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--message", default="", metavar="ID")
        which.add_argument("--submission", default="", metavar="ID")
        which.add_argument("--campaign", default="", metavar="ID")

    def handle(self, *, account: str, message: str, submission: str, campaign: str, **options: Any) -> None:
        found = find_account(account)
        if message:
            about, content = "message", _of_message(access_message(found, message))
        elif submission:
            about, content = "submission", _of_submission(access_submission(found, submission))
        else:
            row = access_campaign(found, campaign)
            submissions = Submission.objects.filter(campaign=row).order_by("pk")
            content = {"campaign": str(row.public_id), "kind": row.kind, "state": row.state}
            content["submissions"] = [_of_submission(entry) for entry in submissions]
            content["approvals"] = _of_approvals(row.pk)
            about = "campaign"
        public_id = str(content[about])
        content["audit"] = _of_trail(found, about, public_id)
        _tell(found, about, public_id)
        self.stdout.write(json.dumps(content, indent=1))


def _of_message(message: Message) -> dict[str, Any]:
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


def _of_submission(submission: Submission) -> dict[str, Any]:
    messages = Message.objects.filter(submission=submission).order_by("pk")[:_MOST_MESSAGES]
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


def _of_approvals(campaign_id: int) -> list[dict[str, Any]]:
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
    return [{"seq": row.seq, "at": _moment(row.at), "action": row.action} for row in rows[:_MOST_MESSAGES]]


def _moment(at: Any) -> str | None:
    return at.isoformat() if at else None


def _tell(account: Account, kind: str, public_id: str) -> None:
    with transaction.atomic():
        audit.record(
            "support.bundled", owner=str(account.public_id), actor=operator(), about=Ref(kind, public_id), data={}
        )
