"""Which SMTP command was refused, and by which words, out of what a server tells of its conversation."""

from __future__ import annotations

import re

_COMMANDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (command, re.compile(pattern, re.IGNORECASE))
    for command, pattern in (
        ("DATA", r"end of \.?data|final data|after (?:i sent the message|data)\b|in reply to (?:end of )?data|\[data\]|smtp command\s+data\b|\(state 1[78]\)|\(data\)"),
        ("RCPT", r"in reply to rcpt|after rcpt|our rcpt to|\[rcpt_to\]|does not like recipient|smtp:rcpt|\(state 14\)|\(rcpt\)|>>> rcpt to|sent: rcpt to|--> rcpt to"),
        ("MAIL", r"in reply to mail|after mail from|our mail from|sender was rejected|\[mail_from\]|smtp:mail|>>> mail from"),
        ("HELO", r"in reply to (?:helo|ehlo)|after (?:helo|ehlo)|refused to talk to me|my name was rejected|initial connection|performing the (?:helo|ehlo)|\(state (?:8|9|13)\)|>>> (?:helo|ehlo)|while waiting for initial|smtp greeting"),
    )
)  # fmt: skip
_SAID = re.compile(r">>> *(\w+)|<<< *(?:[45]\d\d)")
_REFUSED = re.compile(r"^[ \t]*<<<[ \t]*([45]\d\d[^\n]*)", re.MULTILINE)
# Where the words of another server begin.
_QUOTE = re.compile(
    r"(?:remote (?:host|server) (?:said|returned|responded|answered)|(?:said|returned|responded|response was|replied|response from the remote server was|error message|server (?:was|returned)|message from the server)\s*:?\s*(?:\n|$)|said:|returned:|responded with|did not like our [a-z ]{4,10}:|diagnostic-code:|reason:|response:|-server message|smtp error from remote mail server[^\n:]{0,120}:(?!\s*<))",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"(?:^|[\s:;\"'#(<>])((?:[45][0-7]\d)(?:[ \-:;,#]|$)[^\n]{0,400}(?:\n[ \t]*[45]\d\d[^\n]{0,400}){0,12})"
)
# What a mailer says when it passes on that another one failed: true, and never the reason.
_WRAPPER = re.compile(
    r"^[ \t]*55[04] (?:5\.\d\.\d )?<?[^\n]{0,320}?\.\.\. (?:service unavailable|remote protocol error)[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)


def drop_wrappers(text: str) -> str:
    """The text without lines that only say that something else went wrong, unless nothing else is left."""
    left = _WRAPPER.sub("", text)
    return left if left.strip() else text


def find_command(text: str) -> str:
    """The command whose refusal the text tells of: HELO, MAIL, RCPT or DATA; empty when it does not say."""
    said = ""
    for found in _SAID.finditer(text):
        if found[1] is None:
            return _name(said)
        said = found[1].upper()
    return next((command for command, pattern in _COMMANDS if pattern.search(text)), "")


def _name(command: str) -> str:
    return {"EHLO": "HELO", "LHLO": "HELO"}.get(command, command if command in {"HELO", "MAIL", "RCPT", "DATA"} else "")


def find_reply(text: str) -> str:
    """The other server's own words in a text around them; empty when none are quoted."""
    refused = _REFUSED.findall(text)
    if refused:
        return "\n".join(refused[:8])
    quoted = _QUOTE.search(text)
    found = _REPLY.search(text, quoted.end() if quoted else 0)
    if found is not None:
        return text[found.start(1) : found.start(1) + 2_000]
    return text[quoted.end() : quoted.end() + 2_000].strip() if quoted else ""
