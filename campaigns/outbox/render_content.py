"""From a claimed message to content, for transports that put the mail together elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

from campaigns.content import mime
from campaigns.content.merge import MergeParts
from campaigns.content.mime import MailFrame
from campaigns.delivery.base import OutgoingEmail, SharedContent
from campaigns.outbox import render
from campaigns.outbox.claim import Claimed
from campaigns.outbox.delivery_news import is_in_doubt
from campaigns.outbox.render import Letterhead

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
# Of the headers we write, those that the other side takes as fields of their own.
_FIELDS = {"From", "Reply-To", "MIME-Version"}


def make_content(letterhead: Letterhead, message: Claimed) -> tuple[OutgoingEmail, int]:
    """The mail for one recipient, without wire bytes, and its size before anybody encodes it; raises CampaignError.

    It says what `render_message` says. Message-ID and Date are the provider's: our public id goes along as its own.
    """
    frame, recipient = letterhead.frame, render.mail_recipient(letterhead, message)
    # The same addresses are refused as on the wire (IN-02).
    mime.mailbox_header("To", "", recipient.mailbox, allow_utf8=frame.allow_utf8)
    merged = letterhead.compiled.merge(frame, recipient, tracked=letterhead.track(message))
    # One object for all mails of a shape, which is how a transport sees that they may share a request.
    shared = _shared(frame, merged.parts) if merged.values else _make_shared(frame, merged.parts)
    # Transactional mail needs none (UN-13), and without headers of its own it can share its texts with others.
    headers = (
        read_headers(mime.unsubscribe_headers(recipient.unsubscribe_url, recipient.unsubscribe_mailbox))
        if frame.is_bulk
        else ()
    )
    email = OutgoingEmail(
        id=message.id,
        public_id=message.public_id,
        mail_from=render.return_path(letterhead, message),
        rcpt_to=recipient.mailbox,
        data=b"",
        shared=shared,
        values=merged.values,
        headers=headers,
        attempt=message.attempts,
        in_doubt=is_in_doubt(message.error_code),
    )
    return email, _size(shared, merged.values)


@lru_cache(maxsize=128)
def _shared(frame: MailFrame, parts: MergeParts) -> SharedContent:
    return _make_shared(frame, parts)


def _make_shared(frame: MailFrame, parts: MergeParts) -> SharedContent:
    lines = read_headers(mime.frame_head(frame))
    return SharedContent(
        from_name=frame.from_name,
        from_mailbox=frame.from_mailbox,
        reply_to=frame.reply_to,
        subject=parts.subject,
        html=parts.html,
        text=parts.text,
        headers=tuple((name, value) for name, value in lines if name not in _FIELDS),
    )


def read_headers(head: bytes) -> tuple[tuple[str, str], ...]:
    """Wire headers as (name, unfolded value) pairs (RFC 5322 §2.2.3)."""
    lines = head.decode("ascii").replace("\r\n ", " ").removesuffix("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return tuple((name, value.strip()) for name, _, value in pairs)


def _size(shared: SharedContent, values: Mapping[str, str]) -> int:
    if not values:
        return _length(shared)
    base, counts = _weigh(shared)
    return base + sum(len(value.encode()) * counts[name] for name, value in values.items() if name in counts)


@lru_cache(maxsize=128)
def _weigh(shared: SharedContent) -> tuple[int, Counter[str]]:
    """The bytes of the shared texts, and how often each placeholder stands in them."""
    names = _PLACEHOLDER.findall(f"{shared.subject}\n{shared.html}\n{shared.text}")
    return _length(shared), Counter(names)


def _length(shared: SharedContent) -> int:
    headers = sum(len(name) + len(value) + 4 for name, value in shared.headers)
    return headers + sum(len(text.encode()) for text in (shared.subject, shared.html, shared.text))
