"""Checking the content of a send, and answering what the check asks.

A warning is answered by the author, for that send; what blocks only by a compliance officer, for an exact text and for 90
days at most. Some rules know no exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.errors import CampaignError
from compliance import audit
from compliance.approvals import quorum
from compliance.approvals.quorum import Person
from compliance.approvals.submitting import Hit
from compliance.audit import Ref
from compliance.detectors.engine import Found, find
from compliance.detectors.rules import load_rules
from compliance.detectors.texts import normalise, read_texts
from compliance.models import DetectorException, DetectorHit
from compliance.vault import derived

OVERRIDE_TIME = timedelta(days=60)
EXCEPTION_TIME = timedelta(days=90)
HITS_KEPT = timedelta(days=365)
REASONS = frozenset({"public", "own-name", "nobody-meant", "general-information", "other"})
OVERRIDING_ROLES = frozenset({"author", "compliance"})
EXCEPTING_ROLES = frozenset({"compliance"})


@dataclass(frozen=True, slots=True)
class ScanHit:
    """One hit as a page shows it: what was found is masked, and `digest` is how it is answered."""

    found: Found
    digest: str
    overridden_by: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a check of a send's content found, by which version of the rules."""

    ruleset: str
    hits: tuple[ScanHit, ...]

    def for_approval(self) -> tuple[Hit, ...]:
        """The hits as they are submitted."""
        return tuple(
            Hit(
                rule=hit.found.rule,
                where=hit.found.where,
                blocks=hit.found.level == "block",
                digest=hit.digest,
                overridden_by=hit.overridden_by,
            )
            for hit in self.hits
        )


def scan(
    account_id: int,
    *,
    owner: str,
    send: str,
    parts: Mapping[str, str],
    hosts: frozenset[str] = frozenset(),
    known: frozenset[str] = frozenset(),
    now: datetime,
) -> Scan:
    """Check the parts of a mail that everybody gets, by place; nothing is written.

    `hosts` may be linked to, `known` are the account's own public addresses and numbers, casefolded.
    """
    rules = load_rules()
    found = find(read_texts(parts), rules=rules, hosts=hosts, known=known)
    digests = [digest_text(owner, rule=hit.rule, text=hit.text) for hit in found]
    answered = _find_answers(account_id, send=send, digests=digests, now=now)
    hits = (
        ScanHit(hit, digest, answered.get((hit.rule, digest), 0)) for hit, digest in zip(found, digests, strict=True)
    )
    return Scan(rules.version, tuple(hits))


def forget_hits(*, now: datetime) -> int:
    """Delete what was found too long ago to say anything about a rule as it is now; returns how many."""
    return DetectorHit.objects.filter(seen_at__lt=now - HITS_KEPT).delete()[0]


def note_hits(account_id: int, *, send: str, hits: Iterable[ScanHit], now: datetime) -> None:
    """Remember what was found for the first time in this send: digests only; a text that stands there twice is one hit."""
    if not (wanted := {(hit.found.rule, hit.digest) for hit in hits}):
        return
    known = DetectorHit.objects.filter(account=account_id, send=send, digest__in={digest for _, digest in wanted})
    new = wanted - set(known.values_list("rule", "digest"))
    if new:
        DetectorHit.objects.bulk_create(
            (
                DetectorHit(account_id=account_id, send=send, rule=rule, digest=digest, seen_at=now)
                for rule, digest in sorted(new)
            ),
            ignore_conflicts=True,
        )


def digest_text(owner: str, *, rule: str, text: str) -> str:
    """What stands for a found text: keyed, so that nobody finds short numbers by trying them all."""
    content = "\0".join((owner, rule, normalise(text).casefold())).encode()
    return derived.make_mac("detector text", content).hex()


def override(
    account_id: int, *, owner: str, send: str, hit: ScanHit, by: Person, reason: str, now: datetime
) -> DetectorException:
    """An author says that a warning is none, in this send; an approver must agree. Raises NotAllowed, CampaignError."""
    if not by.is_active or by.is_service or not by.roles & OVERRIDING_ROLES:
        raise quorum.NotAllowed("approval.role-missing", "Your role does not allow this.", action="Ask the author.")
    if hit.found.level == "block":
        raise CampaignError(
            "detector.blocks",
            "This cannot be overridden by the author of a send.",
            action="Correct it, or ask the compliance officer for an exception.",
            status=409,
        )
    return _except(account_id, owner=owner, send=send, hit=hit, by=by, reason=reason, now=now, time=OVERRIDE_TIME)


def except_text(
    account_id: int,
    *,
    owner: str,
    hit: ScanHit,
    by: Person,
    reason: str,
    now: datetime,
    time: timedelta = EXCEPTION_TIME,
) -> DetectorException:
    """The compliance officer lets one exact text pass in every send of the account; raises NotAllowed, CampaignError."""
    quorum.check_is_person(by, roles=EXCEPTING_ROLES)
    if not hit.found.exceptable:
        raise CampaignError(
            "detector.no-exception", "This rule knows no exception.", action="Correct the content.", status=409
        )
    if not timedelta(0) < time <= EXCEPTION_TIME:
        raise CampaignError(
            "detector.too-long", "An exception lasts at most 90 days.", action="Choose a shorter time.", status=400
        )
    return _except(account_id, owner=owner, send="", hit=hit, by=by, reason=reason, now=now, time=time)


def end_exception(exception: DetectorException, *, owner: str, by: Person, now: datetime) -> bool:
    """Take an exception back; False when it was over. Raises NotAllowed."""
    if not by.is_active or not by.roles & (OVERRIDING_ROLES if exception.send else EXCEPTING_ROLES):
        raise quorum.NotAllowed(
            "approval.role-missing", "Your role does not allow this.", action="Ask the compliance officer."
        )
    with transaction.atomic():
        standing = DetectorException.objects.filter(pk=exception.pk, ended_at=None, expires_at__gt=now)
        if not standing.update(ended_at=now):
            return False
        _tell("detector.exception-ended", exception, owner=owner, by=by, now=now)
    return True


def _except(
    account_id: int, *, owner: str, send: str, hit: ScanHit, by: Person, reason: str, now: datetime, time: timedelta
) -> DetectorException:
    if reason not in REASONS:
        raise CampaignError("detector.reason-unknown", "Say why.", action="Choose one of the reasons.", status=400)
    with transaction.atomic():
        made = DetectorException.objects.create(
            account_id=account_id, send=send, rule=hit.found.rule, digest=hit.digest, reason=reason, made_by_id=by.id,
            made_at=now, expires_at=now + time,
        )  # fmt: skip
        _tell("detector.excepted", made, owner=owner, by=by, now=now)
    return made


def _tell(action: str, exception: DetectorException, *, owner: str, by: Person, now: datetime) -> None:
    data = {"rule": exception.rule, "reason": exception.reason, "send": exception.send, "digest": exception.digest}
    actor, about = Ref("person", str(by.id)), Ref("detector-exception", str(exception.pk))
    audit.record(action, owner=owner, actor=actor, about=about, data=data, now=now)


def _find_answers(account_id: int, *, send: str, digests: list[str], now: datetime) -> dict[tuple[str, str], int]:
    """(rule, digest) → who answered, for standing exceptions of this send and of the whole account."""
    rows = DetectorException.objects.filter(
        account=account_id, send__in={send, ""}, digest__in=digests, ended_at=None, expires_at__gt=now
    )
    return {(row.rule, row.digest): row.made_by_id for row in rows}
