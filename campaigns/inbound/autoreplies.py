"""Answers nobody wrote (RFC 3834; DS-07): recognised so that nothing is ever done about them."""

from __future__ import annotations

from campaigns.inbound import words
from campaigns.inbound.parse import Mail

_SAYS_AUTO = ("x-autoreply", "x-autorespond", "x-autoresponse", "x-auto-reply-from", "x-mail-autoreply", "x-vacation")
_PRECEDENCES = {"auto_reply", "auto-reply", "autoreply"}


def is_autoreply(mail: Mail) -> bool:
    """Whether a program answered for its owner; notices of mail systems are asked about first."""
    headers = mail.headers
    submitted = headers.get("auto-submitted").partition(";")[0].strip().lower()
    if submitted not in {"", "no"}:
        return True
    if headers.get("x-apple-action").lower().startswith("vacation"):
        return True
    if any(headers.get(name) for name in _SAYS_AUTO) or headers.get("precedence").strip().lower() in _PRECEDENCES:
        return True
    return words.any_of(words.AUTOREPLY_SUBJECTS, headers.get("subject"))
