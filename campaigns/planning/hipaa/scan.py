"""What the detectors find in what everybody gets: static texts and names, never a recipient's value."""

from __future__ import annotations

import re
from datetime import datetime

from campaigns.models import HipaaSend, SourceKind, TemplateVersion
from compliance import scanning
from compliance.approvals.quorum import Person
from compliance.scanning import Scan, ScanHit


def scan_send(send: HipaaSend, *, now: datetime) -> Scan:
    """The check of a send's subject, texts, links and names, with the answers that stand."""
    account = send.account
    return scanning.scan(
        account.pk,
        owner=str(account.public_id),
        send=str(send.public_id),
        parts=_parts(send),
        hosts=_own_hosts(send),
        known=_own_words(send),
        now=now,
    )


def note_hits(send: HipaaSend, scan: Scan, *, now: datetime) -> None:
    """Remember what a check found, for how often each rule is right; done by what people do, never by looking."""
    scanning.note_hits(send.account_id, send=str(send.public_id), hits=scan.hits, now=now)


def answer_hit(send: HipaaSend, hit: ScanHit, *, reason: str, by: Person, now: datetime) -> None:
    """The author says that a warning is none, or the officer excepts an exact text; raises NotAllowed, CampaignError."""
    account_id, owner = send.account_id, str(send.account.public_id)
    if hit.found.level == "block":
        scanning.except_text(account_id, owner=owner, hit=hit, by=by, reason=reason, now=now)
    else:
        scanning.override(account_id, owner=owner, send=str(send.public_id), hit=hit, by=by, reason=reason, now=now)


def _parts(send: HipaaSend) -> dict[str, str]:
    content, sender = send.content, send.sender
    # The reference is kept as evidence for years, and shown to whoever approves.
    parts = {"campaign-name": send.name, "reference": send.terms.reference}
    if sender is not None:
        # Word by word: oncology@ and cardiology.clinic.example tell everybody why somebody is written to.
        parts |= {"from-name": sender.name, "from-address": re.sub(r"[\W_]+", " ", sender.email)}
    return parts if content is None else {**parts, **_texts(content)}


def _texts(content: TemplateVersion) -> dict[str, str]:
    texts = {"template-name": content.template.name, "subject": content.subject, "preheader": content.preheader}
    if content.source_kind == SourceKind.TEXT:
        return {**texts, "text": content.source}
    return {**texts, "html": content.source, "text": content.text_source}


def _own_hosts(send: HipaaSend) -> frozenset[str]:
    """Hosts its mail may link to without a question: the account's own proven domains."""
    return frozenset(send.account.domains.exclude(verified_at=None).values_list("name", flat=True))


def _own_words(send: HipaaSend) -> frozenset[str]:
    """The account's own public addresses, which name nobody who is written to."""
    return frozenset(email.casefold() for email in send.account.senders.values_list("email", flat=True))
