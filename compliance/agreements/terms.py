"""The terms of HIPAA sending: a text in versions, and who accepted which. Accepting holds for a year."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

from django.db import IntegrityError, transaction

from campaigns.errors import CampaignError
from compliance import audit
from compliance.agreements.officers import check_is_officer
from compliance.approvals.quorum import Person
from compliance.audit import SYSTEM, Ref
from compliance.models import Acknowledgement, Terms

HOLDS_FOR = timedelta(days=365)
_FIRST = Path(__file__).parent / "terms.txt"


def current_terms(*, now: datetime) -> Terms:
    """The newest version; the one that comes with the program when none was published yet."""
    newest = Terms.objects.order_by("-version").first()
    return newest or _publish(_FIRST.read_text("utf-8"), actor=SYSTEM, now=now)


def publish_terms(text: str, *, by: Person, now: datetime) -> Terms:
    """The next version; every account must accept it before its next send. Raises NotAllowed, `terms.empty`."""
    check_is_officer(by)
    if not text.strip():
        raise CampaignError("terms.empty", "Terms without a text bind nobody.", action="Write the text.")
    return _publish(text, actor=Ref("person", str(by.id)), now=now)


def accept_terms(
    account_id: int, *, owner: str, version: int, by: Person, network: str = "", now: datetime
) -> Acknowledgement:
    """Accept the version somebody has read; raises NotAllowed, CampaignError `terms.changed` when a newer one is out."""
    check_is_officer(by)
    terms = current_terms(now=now)
    if terms.version != version:
        raise CampaignError(
            "terms.changed", "There is a newer version of these terms.", action="Read and accept that one.", status=409
        )
    with transaction.atomic():
        made = Acknowledgement.objects.create(
            account_id=account_id, terms=terms, person_id=by.id, at=now, network=network
        )
        actor, about = Ref("person", str(by.id)), Ref("terms", str(terms.version))
        audit.record(
            "terms.acknowledged", owner=owner, actor=actor, about=about, data={"digest": terms.digest}, now=now
        )
    return made


def is_accepted(account_id: int, *, now: datetime) -> bool:
    """Whether the newest version was accepted for the account within a year."""
    newest = Terms.objects.order_by("-version").values("pk")[:1]
    rows = Acknowledgement.objects.filter(account=account_id, terms=newest, at__gt=now - HOLDS_FOR)
    return rows.exists()


def _publish(text: str, *, actor: Ref, now: datetime) -> Terms:
    last = Terms.objects.order_by("-version").values_list("version", flat=True).first() or 0
    digest = hashlib.sha256(text.encode()).hexdigest()
    try:
        with transaction.atomic():
            terms = Terms.objects.create(version=last + 1, text=text, digest=digest, published_at=now)
            about = Ref("terms", str(terms.version))
            audit.record("terms.published", owner="", actor=actor, about=about, data={"digest": digest}, now=now)
    except IntegrityError:
        # Somebody else published this version in the same moment.
        return Terms.objects.get(version=last + 1)
    return terms
