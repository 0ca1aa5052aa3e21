"""The plain Django way: python -m bench.lab.peers.plain SHARE OF kept|each [DKIM_KEY_FILE].

A template, EmailMultiAlternatives, links rewritten in the HTML, one save() a mail; as many processes as are started
share the readers between them. Over one kept connection each, or as send() does it: a connection for each mail. With a
key it signs through dkimpy.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import django

django.setup()

from django.core import mail  # noqa: E402
from django.db import connection  # noqa: E402
from django.template import Context, Template  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.lab import newsletter  # noqa: E402
from bench.lab.children import work_on_signal  # noqa: E402
from bench.lab.peers.models import Reader  # noqa: E402

_HREF = re.compile(r'href="(https://shop\.[^"]+)"')
_SITE = "https://news.example.com"
_KEY = b"k" * 32

Sign = Callable[[bytes], bytes]


class _Signed(mail.EmailMultiAlternatives):
    """A mail whose bytes get a DKIM-Signature, as people do it with dkimpy."""

    sign: Sign | None = None

    def message(self) -> Any:  # type: ignore[override]
        message: Any = super().message()
        if self.sign is not None:
            head, _, value = self.sign(message.as_bytes(linesep="\r\n")).partition(b":")
            message[head.decode("ascii")] = re.sub(r"\r\n\s+", " ", value.decode("ascii")).strip()
        return message


def send_share(share: int, of: int, *, keep: bool, sign: Sign | None) -> None:
    """Send to every reader of this process' share."""
    subject, html, text = map(Template, (newsletter.SUBJECT, newsletter.html(token=""), newsletter.text()))
    with mail.get_connection() if keep else nullcontext() as relay:
        for reader in Reader.objects.extra(where=["id %% %s = %s"], params=[of, share]).iterator():
            token = base64.urlsafe_b64encode(hmac.digest(_KEY, str(reader.pk).encode(), hashlib.sha256)[:18]).decode()
            unsubscribe = f"{_SITE}/u/{token}"
            context = Context({**reader.values, "unsubscribe_url": unsubscribe, "postal_address": "12 Quay Street"})
            headers = {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
            message = _Signed(
                subject.render(context), text.render(context), "Bench News <news@news.example.com>", [reader.email],
                headers=headers, connection=relay,
            )  # fmt: skip
            message.sign = sign
            message.attach_alternative(_track(html.render(context), token), "text/html")
            message.send()
            reader.state, reader.sent_at = "sent", timezone.now()
            reader.save()


def _track(html: str, token: str) -> str:
    """Every link of the shop leads through our own address."""
    return _HREF.sub(lambda found: f'href="{_SITE}/c/{token}/{hash(found[1]) & 0xFFFF}"', html)


def make_signer(file: str) -> Sign:
    import dkim  # noqa: PLC0415 (slow to import, and mostly not wanted)

    key = Path(file).read_bytes()
    fields = [b"from", b"to", b"subject", b"date", b"message-id", b"list-unsubscribe", b"list-unsubscribe-post"]

    def sign(data: bytes) -> bytes:
        signature: bytes = dkim.sign(data, b"s1", b"news.example.com", key, include_headers=fields)
        return signature

    return sign


if __name__ == "__main__":
    signer = make_signer(sys.argv[4]) if len(sys.argv) > 4 else None
    connection.ensure_connection()
    work_on_signal(lambda: send_share(int(sys.argv[1]), int(sys.argv[2]), keep=sys.argv[3] == "kept", sign=signer))
