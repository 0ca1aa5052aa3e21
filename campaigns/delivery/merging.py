"""Putting shared content and one recipient's values together, for transports whose provider cannot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from campaigns.delivery.base import OutgoingEmail, SharedContent

_PLAIN_NAME = re.compile(r"[\w ]*").fullmatch
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """The texts of one mail; `html` is empty for a plain one."""

    subject: str
    html: str
    text: str

    def __contains__(self, mark: str) -> bool:
        return mark in self.html or mark in self.subject or mark in self.text


def merge_content(email: OutgoingEmail) -> Content:
    """The finished texts of a mail whose transport `takes_content`."""
    shared, values = content_of(email), email.values
    if not values:
        return Content(shared.subject, shared.html, shared.text)
    return Content(_fill(shared.subject, values), _fill(shared.html, values), _fill(shared.text, values))


def content_of(email: OutgoingEmail) -> SharedContent:
    """The shared part; ValueError when the mail was made for a transport of another sort."""
    if email.shared is None:
        raise ValueError("a transport that takes content got wire bytes")
    return email.shared


def sender_of(shared: SharedContent) -> str:
    """`addr` or `Name <addr>`; a name with marks in it is quoted (RFC 5322 §3.4; MF-08)."""
    name = shared.from_name
    if not name:
        return shared.from_mailbox
    if not _PLAIN_NAME(name):
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{quoted}"'
    return f"{name} <{shared.from_mailbox}>"


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Each name is replaced once: braces in a value are that value's."""
    pieces = list(_split(text))
    pieces[1::2] = [values.get(name, f"{{{{{name}}}}}") for name in pieces[1::2]]
    return "".join(pieces)


@lru_cache(maxsize=64)
def _split(text: str) -> tuple[str, ...]:
    """Literals and names in turn; kept, because thousands of mails share a text."""
    return tuple(_PLACEHOLDER.split(text))
