"""The parts of a mail on the wire, as a mail program reads them."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default


def html_of(raw: bytes) -> str:
    return _part(raw, "html")


def text_of(raw: bytes) -> str:
    return _part(raw, "plain")


def _part(raw: bytes, kind: str) -> str:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    body = message.get_body((kind,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content
