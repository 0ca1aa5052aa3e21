"""Mail that goes in circles, or that no program may answer or pass on (RFC 3834, RFC 5321 §6.3; evil input 38)."""

from __future__ import annotations

import re

from campaigns.inbound.parse import Headers

# A mail that has passed so many servers never gets anywhere (RFC 5321 §6.3 asks for a limit, ours is below its hundred).
MOST_HOPS = 50
# What we write into everything that is passed on: whoever gets it back knows it.
MARK = "X-Sealpost-Route"

_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_HEAD_END = re.compile(rb"\r?\n\r?\n|\r\r")
_LONGEST_HEAD = 1024 * 1024


def count_hops(raw: bytes) -> int:
    """How many servers the mail has passed before us."""
    found = _HEAD_END.search(raw, 0, _LONGEST_HEAD)
    head = raw[: found.start() if found else _LONGEST_HEAD].replace(b"\r", b"\n")
    return len(_RECEIVED.findall(head))


def why_not_forward(headers: Headers, *, mail_from: str, mark: str) -> str:
    """Why a mail must not be passed on – a code of outcomes –, '' when it may.

    A report about a mail we passed on would come back, be passed on, and so on; an answer nobody wrote goes to nobody.
    What a program sent on its own account (`auto-generated`, such as an order's confirmation) is passed on.
    """
    if mark in headers.get_all(MARK.lower()):
        return "loop"
    if not mail_from:
        return "no-sender"
    if headers.get("auto-submitted").partition(";")[0].strip().lower() == "auto-replied":
        return "automatic"
    return ""
