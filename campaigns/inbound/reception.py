"""Taking mail in: whoever is told 250 has handed it over, so it is sealed and durable before (RFC 5321 §6.1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from campaigns import jobs
from campaigns.errors import CampaignError
from campaigns.inbound.loops import MOST_HOPS, count_hops
from campaigns.inbound.places import Place
from campaigns.models import Account, InboundMail, InboundRaw, InboundRoute
from compliance import vault

_PLAIN_GREETING = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,255}").fullmatch
PROCESS_JOB = "campaigns.tasks.process_inbound"


@dataclass(frozen=True, slots=True, repr=False)
class Envelope:
    """What the other server said, and from where; `mail_from` is empty for reports (RFC 5321 §4.5.5)."""

    mail_from: str
    helo: str = ""
    remote: str = ""
    is_encrypted: bool = False
    rcpt_to: str = ""


def take_in(raw: bytes, *, envelope: Envelope, places: Sequence[tuple[str, Place]], now: datetime) -> None:
    """Store a mail for each (recipient, place), sealed under its account's key; what came before is not stored twice.

    Raises CampaignError `inbound.loop`, and DatabaseError: then nothing is stored at all.
    """
    if count_hops(raw) > MOST_HOPS:
        raise CampaignError("inbound.loop", "This mail has passed too many servers: it goes in a circle.")
    by_account: dict[int, list[tuple[str, Place]]] = defaultdict(list)
    for recipient, place in places:
        by_account[place.account_id].append((recipient, place))
    accounts = Account.objects.in_bulk(by_account)
    with transaction.atomic():
        for account_id, wanted in by_account.items():
            _store(accounts[account_id], raw, envelope=envelope, places=wanted, now=now)
        jobs.ring(PROCESS_JOB)


def _store(
    account: Account, raw: bytes, *, envelope: Envelope, places: Sequence[tuple[str, Place]], now: datetime
) -> None:
    digests = {recipient: _digest(raw, recipient) for recipient, _ in places}
    known = set(
        InboundMail.objects.filter(account=account, digest__in=digests.values()).values_list("digest", flat=True)
    )
    fresh = [(recipient, place) for recipient, place in places if digests[recipient] not in known]
    if not fresh:
        return
    # Blank lines before the first field would end the headers here.
    whole = write_received(envelope, now=now) + raw.lstrip(b"\r\n")
    stored = InboundRaw.objects.create(account=account, sealed=vault.seal(whole, **_raw_context(account)))
    rows = []
    for recipient, place in fresh:
        mail = InboundMail(
            account=account, raw=stored, place=place.kind, route_id=_still_there(place), message=place.message,
            digest=digests[recipient], size=len(raw), next_attempt_at=now, received_at=now,
        )  # fmt: skip
        mail.public_id = uuid4()
        mail.envelope_sealed = seal_field(mail, "envelope", asdict(envelope) | {"rcpt_to": recipient})
        rows.append(mail)
    # Two servers may hand in the same mail at once; the second one is told that it is taken, and it is.
    InboundMail.objects.bulk_create(rows, ignore_conflicts=True)


def write_received(envelope: Envelope, *, now: datetime) -> bytes:
    """The trace line every server puts in front of a mail it takes (RFC 5321 §4.4)."""
    greeting = envelope.helo if _PLAIN_GREETING(envelope.helo) else "unknown"
    place = f"[IPv6:{envelope.remote}]" if ":" in envelope.remote else f"[{envelope.remote or 'unknown'}]"
    protocol = "ESMTPS" if envelope.is_encrypted else "ESMTP"
    host = settings.INBOUND_HOST or settings.SMTP_HOSTNAME
    line = f"Received: from {greeting} ({place})\r\n by {host} with {protocol}; {format_datetime(now)}\r\n"
    return line.encode("ascii", "replace")


def _still_there(place: Place) -> int | None:
    """A route may be deleted between RCPT and the end of the mail."""
    if place.route_id is None:
        return None
    return InboundRoute.objects.filter(pk=place.route_id).values_list("pk", flat=True).first()


def _digest(raw: bytes, recipient: str) -> str:
    """Tells a mail that is handed in again, and nothing else: it is keyed, so that nobody can try out contents."""
    body = recipient.lower().encode() + b"\0" + hashlib.sha256(raw).digest()
    digest = hmac.digest(settings.KEY_RING.token, b"inbound\0" + body, hashlib.sha256)
    return base64.urlsafe_b64encode(digest)[:-1].decode("ascii")


# --- What is sealed ---------------------------------------------------------------------------------


def open_raw(mail: InboundMail) -> bytes:
    """The bytes that came over the wire; raises vault.SealBroken, and LookupError when they are not kept any more."""
    if mail.raw is None:
        raise LookupError
    return vault.unseal(bytes(mail.raw.sealed), **_raw_context(mail.account))


def open_envelope(mail: InboundMail) -> Envelope:
    """The envelope; an empty one when it is not kept any more. Raises vault.SealBroken."""
    if not mail.envelope_sealed:
        return Envelope("")
    found: dict[str, Any] = open_field(mail, "envelope", mail.envelope_sealed)
    return Envelope(**found)


def seal_field(mail: InboundMail, name: str, values: Mapping[str, object]) -> bytes:
    """Values of a mail as they are stored in its row."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return vault.seal(text.encode("utf-8", "replace"), **_context(mail, name))


def open_field(mail: InboundMail, name: str, sealed: bytes | memoryview) -> dict[str, Any]:
    """The values again; raises vault.SealBroken."""
    found: dict[str, Any] = json.loads(vault.unseal(bytes(sealed), **_context(mail, name)))
    return found


def _context(mail: InboundMail, name: str) -> dict[str, str]:
    account = str(mail.account.public_id)
    return {"account": account, "thing": "inbound-mail", "id": str(mail.public_id), "field": name}


def _raw_context(account: Account) -> dict[str, str]:
    return {"account": str(account.public_id), "thing": "inbound-mail", "field": "raw"}
