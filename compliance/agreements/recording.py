"""Agreements as evidence: recorded, ended, and asked for by day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from campaigns.errors import CampaignError
from compliance import audit
from compliance.agreements.officers import check_is_officer
from compliance.approvals.quorum import Person
from compliance.audit import Ref
from compliance.models import Baa

# Relays whose providers rule protected health information out in public (hipaa.md §1C).
SIGN_NONE = ("sendgrid.net", "sendgrid.com")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# The six years of evidence count from the last day it was in effect; without one they have not begun.
_OPEN = datetime(9999, 1, 1, tzinfo=UTC)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What is known of a signed agreement; the document itself stays where contracts are kept."""

    counterparty: str
    effective_from: date
    effective_to: date | None = None
    signed_on: date | None = None
    signatory: str = ""
    reference: str = ""
    document_sha256: str = ""


def record_customer(account_id: int, agreement: Agreement, *, owner: str, by: Person, now: datetime) -> Baa:
    """Record a customer's agreement; raises NotAllowed, CampaignError `baa.invalid`."""
    row = Baa(side=Baa.Side.CUSTOMER, account_id=account_id)
    return _record(row, agreement, owner=owner, by=by, now=now)


def record_subcontractor(host: str, agreement: Agreement, *, onward: str, by: Person, now: datetime) -> Baa:
    """Record an agreement with whoever runs a host we send to, and how it hands mail on (Baa.Onward).

    Raises NotAllowed, CampaignError `baa.invalid`, and `hipaa.relay-ineligible` for one that is known to sign none.
    """
    row = _for_host(host)
    if any(f".{row.host}".endswith(f".{domain}") for domain in SIGN_NONE):
        raise CampaignError(
            "hipaa.relay-ineligible",
            "Whoever runs this relay says that it is not for protected health information and signs no agreement for it.",
            action="Send by another relay.",
            status=409,
        )
    if onward not in Baa.Onward.values:
        raise _invalid("Say how the relay hands mail on.")
    row.onward = onward
    return _record(row, agreement, owner="", by=by, now=now)


def is_fit_for_protected(known: Baa | None) -> bool:
    """Whether protected mail may go to a host of which this is on file: an agreement, and TLS on every way onwards."""
    return known is not None and not known.no_phi_because and known.onward == Baa.Onward.TLS_ONLY


def record_without_data(host: str, *, counterparty: str, because: str, by: Person, now: datetime) -> Baa:
    """Record that a host never gets protected data, and why, so that it needs no agreement; raises as above."""
    if not because.strip():
        raise _invalid("Say why this host never gets protected data.")
    row = _for_host(host)
    row.no_phi_because = because.strip()[:200]
    return _record(row, Agreement(counterparty=counterparty, effective_from=now.date()), owner="", by=by, now=now)


def end_agreement(baa: Baa, *, on: date, owner: str, by: Person, now: datetime) -> None:
    """Set the agreement's last day; raises NotAllowed, CampaignError `baa.invalid`."""
    check_is_officer(by)
    if on < baa.effective_from:
        raise _invalid("An agreement ends after it began.")
    with transaction.atomic():
        Baa.objects.filter(pk=baa.pk).update(effective_to=on, kept_from=_end_of(on))
        actor, about = Ref("person", str(by.id)), Ref("baa", str(baa.public_id))
        audit.record("baa.amended", owner=owner, actor=actor, about=about, data={"to": on.isoformat()}, now=now)
    baa.refresh_from_db()


def find_customer(account_id: int, *, on: date) -> Baa | None:
    """The customer's agreement in effect on that day."""
    return _in_effect(on).filter(side=Baa.Side.CUSTOMER, account=account_id).order_by("-effective_from").first()


def find_subcontractor(host: str, *, on: date) -> Baa | None:
    """What is recorded and in effect for a host; one with `no_phi_because` must never get protected data."""
    rows = _in_effect(on).filter(side=Baa.Side.SUBCONTRACTOR, host=_plain_host(host))
    return rows.order_by("-effective_from", "-pk").first()


def _in_effect(on: date) -> QuerySet[Baa]:
    return Baa.objects.filter(Q(effective_to=None) | Q(effective_to__gte=on), effective_from__lte=on)


def _for_host(host: str) -> Baa:
    plain = _plain_host(host)
    if not _HOST.fullmatch(plain):
        raise _invalid("This is not the name of a host.")
    return Baa(side=Baa.Side.SUBCONTRACTOR, host=plain)


def _plain_host(host: str) -> str:
    return host.strip().lower().rstrip(".")


def _record(row: Baa, agreement: Agreement, *, owner: str, by: Person, now: datetime) -> Baa:
    check_is_officer(by)
    if not agreement.counterparty.strip():
        raise _invalid("Name the other party.")
    if agreement.document_sha256 and not _SHA256.fullmatch(agreement.document_sha256):
        raise _invalid("The digest of a document is 64 hexadecimal digits (SHA-256).")
    for name in (*Agreement.__slots__,):
        setattr(row, name, getattr(agreement, name))
    row.recorded_by_id, row.recorded_at = by.id, now
    row.kept_from = max(now, _end_of(agreement.effective_to)) if agreement.effective_to else _OPEN
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            _tell(row, owner=owner, by=by, now=now)
    except IntegrityError as error:
        raise _invalid("A signed agreement has a day it was signed, a document and days in order.") from error
    return row


def _tell(row: Baa, *, owner: str, by: Person, now: datetime) -> None:
    data: dict[str, audit.Value] = {
        "side": row.side,
        "from": row.effective_from.isoformat(),
        "to": row.effective_to.isoformat() if row.effective_to else None,
        "document": row.document_sha256,
        "host": row.host,
        "onward": row.onward,
    }
    about = Ref("baa", str(row.public_id))
    audit.record("baa.recorded", owner=owner, actor=Ref("person", str(by.id)), about=about, data=data, now=now)


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


def _invalid(text: str) -> CampaignError:
    return CampaignError("baa.invalid", text, action="Correct the agreement and record it again.")
