"""Incidents and the clock of the breach rule (45 CFR 164.400–414): ids and counts only, nobody is named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Count

from campaigns.accounts.tenancy import access_submission
from campaigns.errors import CampaignError
from campaigns.models import Account, Message
from compliance import audit
from compliance.agreements.officers import check_is_officer
from compliance.approvals.quorum import Person
from compliance.audit import Ref
from compliance.models import Incident

CLOCK = timedelta(days=60)
# From so many people on, the authority is told together with them (164.408(b)), and the media of their state (164.406).
MANY = 500
LEVELS = ("low", "medium", "high")
FACTORS: Mapping[str, str] = {
    "data": "What kind of data it is, and how easily it names somebody",
    "receiver": "Who got it or used it",
    "seen": "Whether it was really seen or taken",
    "mended": "How far the risk was taken back, such as by a confirmed deletion",
}
# A reference is a number of a ticket: a free text would soon name a patient.
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/#-]{0,59}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Until when whom: the people, and the Secretary (HHS)."""

    people: datetime
    authority: datetime


def open_incident(
    account: Account,
    *,
    kind: str,
    discovered_at: datetime,
    sends: Sequence[str],
    reference: str,
    by: Person,
    now: datetime,
) -> Incident:
    """Write down what is known; the clock runs from the day it was discovered, not from this one.

    Raises NotAllowed, NotFound for a send of nobody or of another account, CampaignError `incident.invalid`.
    """
    check_is_officer(by)
    if discovered_at > now:
        raise _invalid("Nothing is discovered in the future.")
    if reference and not _REFERENCE.fullmatch(reference):
        raise _invalid("The reference is the number of your own record, such as SEC-2026-17. Name nobody.")
    rows = [access_submission(account, send) for send in dict.fromkeys(sends)]
    by_state, people = _count_affected([row.pk for row in rows])
    with transaction.atomic():
        incident = Incident.objects.create(
            account=account, kind=kind, reference=reference, sends=[str(row.public_id) for row in rows], affected=by_state,
            people=people, discovered_at=discovered_at, opened_by_id=by.id, opened_at=now,
        )  # fmt: skip
        _tell("incident.opened", incident, by=by, now=now, data={"kind": kind, "sends": len(rows), "people": people})
    return incident


def assess(incident: Incident, *, factors: Mapping[str, str], decision: str, by: Person, now: datetime) -> None:
    """Judge it by the four factors; without a low probability it is a breach (164.402(2)).

    Raises NotAllowed, CampaignError `incident.invalid`, `incident.closed`.
    """
    check_is_officer(by)
    if (
        set(factors) != set(FACTORS)
        or not set(factors.values()) <= set(LEVELS)
        or decision not in Incident.Decision.values
    ):
        raise _invalid("Judge each of the four factors, and decide.")
    if decision == Incident.Decision.LOW and "high" in factors.values():
        raise _invalid("With a high factor the probability is not low.")
    values = {"factors": dict(factors), "decision": decision, "decided_by": by.id, "decided_at": now}
    _change(incident, values, by=by, now=now, data={"decision": decision, **factors})


def note_told(incident: Incident, *, people: date | None, authority: date | None, by: Person, now: datetime) -> None:
    """When the people and the authority were told; raises as above."""
    check_is_officer(by)
    if any(day and (day > now.date() or day < incident.discovered_at.date()) for day in (people, authority)):
        raise _invalid("They were told between the discovery and today.")
    values = {"people_told_on": people, "authority_told_on": authority}
    _change(
        incident, values, by=by, now=now, data={name: day.isoformat() if day else None for name, day in values.items()}
    )


def close(incident: Incident, *, by: Person, now: datetime) -> None:
    """Everything that had to be done is done; raises NotAllowed, CampaignError `incident.unfinished`."""
    check_is_officer(by)
    is_told = incident.people_told_on and incident.authority_told_on
    if not incident.decision or (incident.decision == Incident.Decision.BREACH and not is_told):
        raise CampaignError(
            "incident.unfinished",
            "It is not judged yet, or not everybody was told.",
            action="Finish that first.",
            status=409,
        )
    _change(incident, {"closed_at": now}, by=by, now=now, data={"closed": True})


def find_deadlines(incident: Incident) -> Deadlines:
    """60 days after the discovery; for fewer than 500 people the authority is told until 60 days after the year's end."""
    people = incident.discovered_at + CLOCK
    if incident.people >= MANY:
        return Deadlines(people, people)
    year_end = incident.discovered_at.replace(month=12, day=31, hour=23, minute=59, second=59, microsecond=0)
    return Deadlines(people, year_end + CLOCK)


def _count_affected(submissions: Sequence[int]) -> tuple[dict[str, int], int]:
    rows = Message.objects.filter(submission__in=submissions)
    by_state = {
        str(state): count for state, count in rows.values_list("state").annotate(n=Count("pk")).order_by("state")
    }
    return by_state, rows.values("address_key").distinct().count()


def _change(
    incident: Incident, values: Mapping[str, object], *, by: Person, now: datetime, data: Mapping[str, audit.Value]
) -> None:
    with transaction.atomic():
        if not Incident.objects.filter(pk=incident.pk, closed_at=None).update(**values):
            raise CampaignError("incident.closed", "This incident is closed.", action="Open another one.", status=409)
        _tell("incident.assessed", incident, by=by, now=now, data=data)
    incident.refresh_from_db()


def _tell(action: str, incident: Incident, *, by: Person, now: datetime, data: Mapping[str, audit.Value]) -> None:
    owner, about = str(incident.account.public_id), Ref("incident", str(incident.public_id))
    audit.record(action, owner=owner, actor=Ref("person", str(by.id)), about=about, data=data, now=now)


def _invalid(text: str) -> CampaignError:
    return CampaignError("incident.invalid", text, action="Correct it and try again.")
