"""From a stored transport to a working one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Sequence
from email.header import decode_header, make_header
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from campaigns import jobs
from campaigns.delivery import registry
from campaigns.delivery.base import OutgoingEmail, TransportError
from campaigns.delivery.base import Transport as WayOut
from campaigns.errors import NotFound
from campaigns.models import SandboxMail, Transport
from campaigns.outbox import due
from compliance import vault

_SWEEP = "campaigns.tasks.sweep"


def open_transport(stored: Transport) -> WayOut:
    """The working transport; raises TransportError `transport.misconfigured` when its settings cannot be used.

    `transport.keys-unavailable` passes by itself: the service that holds the root key does not answer.
    """

    def keep(emails: Sequence[OutgoingEmail]) -> None:
        # Protected mail is taken and not kept: a mailbox to read it in would be browser-based viewing.
        keep_in_sandbox(stored.account_id, emails=[email for email in emails if not email.needs_tls])

    try:
        config = {**read_config(stored), "report_url": callback_url(stored)}
        return registry.build_transport(stored.kind, config, keep=keep)
    except vault.KeysUnavailable:
        raise keys_unavailable() from None
    except (KeyError, ValueError, TypeError, vault.SealBroken):
        text = "The settings of this way to send cannot be used."
        raise TransportError("transport.misconfigured", text, permanent=True) from None


def keys_unavailable() -> TransportError:
    """Nothing sealed opens now, and nothing is wrong with it: mail waits, as for a way out that does not answer."""
    text = "The service that holds the keys does not answer."
    return TransportError("transport.keys-unavailable", text)


def read_config(stored: Transport) -> dict[str, Any]:
    """The transport's settings, opened; empty when it has none."""
    if not stored.config_sealed:
        return {}
    config: dict[str, Any] = json.loads(vault.unseal(bytes(stored.config_sealed), **config_context(stored)))
    return config


def seal_config(stored: Transport, *, config: dict[str, Any]) -> bytes:
    """The settings as stored in the transport's row."""
    return vault.seal(json.dumps(config).encode(), **config_context(stored))


def config_context(stored: Transport) -> dict[str, str]:
    account = str(stored.account.public_id)
    return {"account": account, "thing": "transport", "id": str(stored.public_id), "field": "config"}


def is_stopped(stored: Transport) -> bool:
    """Whether the breaker keeps mail from leaving this way now; `broken_because` says why."""
    return stored.broken_until is not None and stored.broken_until > timezone.now()


def reopen(stored: Transport) -> None:
    """Forget the failures of a way out: a person has mended it, or wants to see; mail that waits for it goes on."""
    with transaction.atomic():
        Transport.objects.filter(pk=stored.pk).update(failures=0, broken_until=None, broken_because="")
        due.wake_submissions(account_id=stored.account_id)
        jobs.ring(_SWEEP)
    stored.failures, stored.broken_until, stored.broken_because = 0, None, ""


def callback_token(public_id: UUID) -> str:
    """What proves to us that a provider calls: known to whoever may see this transport, derivable by nobody else."""
    mac = hmac.digest(settings.KEY_RING.token, b"callback\0" + public_id.bytes, hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:24]).decode("ascii")


def callback_url(stored: Transport) -> str:
    """Where the provider of this transport reports; it is a secret."""
    return f"{settings.PUBLIC_URL}/callbacks/{stored.public_id}/{callback_token(stored.public_id)}/"


def find_by_callback(public_id: str, *, token: str) -> Transport:
    """The transport of a callback address; raises NotFound, alike for a wrong transport and a wrong token."""
    try:
        wanted = UUID(public_id)
    except ValueError:
        raise NotFound("page") from None
    # The token first and in constant time: who has none learns not even which transports exist.
    if not hmac.compare_digest(callback_token(wanted), token):
        raise NotFound("page")
    found = Transport.objects.select_related("account").filter(public_id=wanted).first()
    if found is None:
        raise NotFound("page")
    return found


def callback_config(stored: Transport) -> dict[str, Any]:
    """The transport's settings as its callbacks need them; only the secret of the address when they cannot be opened."""
    try:
        config = read_config(stored)
    except (vault.SealBroken, ValueError):
        config = {}
    login = f"callback:{callback_token(stored.public_id)}"
    basic = base64.b64encode(login.encode()).decode("ascii")
    return {**config, "callback_login": login, "callback_authorization": f"Basic {basic}"}


def keep_in_sandbox(account_id: int, *, emails: Sequence[OutgoingEmail]) -> None:
    """Store mails the sandbox took, in one insert."""
    now = timezone.now()
    SandboxMail.objects.bulk_create(
        SandboxMail(
            account_id=account_id,
            message_id=email.public_id,
            recipient=email.rcpt_to,
            subject=_read_subject(email.data)[:200],
            raw=zlib.compress(email.data, level=1),
            received_at=now,
        )
        for email in emails
    )


# One header is wanted of thousands of mails a second: the email package would parse them all.
_SUBJECT = re.compile(rb"^Subject:[ \t]*((?:.*\r\n[ \t])*.*)\r\n", re.MULTILINE)


def _read_subject(data: bytes) -> str:
    found = _SUBJECT.search(data)
    folded = found[1].decode("ascii", "replace") if found else ""
    return str(make_header(decode_header(folded))) if "=?" in folded else folded.replace("\r\n", "")
