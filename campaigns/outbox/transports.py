"""From a stored transport to a working one."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from email.header import decode_header, make_header
from typing import Any

from django.utils import timezone

from campaigns.delivery import registry
from campaigns.delivery.base import OutgoingEmail, TransportError
from campaigns.delivery.base import Transport as WayOut
from campaigns.models import SandboxMail, Transport
from compliance import vault


def open_transport(stored: Transport) -> WayOut:
    """The working transport; raises TransportError `transport.misconfigured` when its settings cannot be used."""

    def keep(emails: Sequence[OutgoingEmail]) -> None:
        keep_in_sandbox(stored.account_id, emails=emails)

    try:
        return registry.build_transport(stored.kind, read_config(stored), keep=keep)
    except (KeyError, ValueError, TypeError, vault.SealBroken):
        text = "The settings of this way to send cannot be used."
        raise TransportError("transport.misconfigured", text, permanent=True) from None


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
