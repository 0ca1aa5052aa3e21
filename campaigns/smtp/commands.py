"""What stands behind the verbs: mailboxes with parameters, and names with passwords (RFC 5321 §4.1.2, RFC 4954)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass

_PATH = re.compile(r"\s*<([^<>]*)>(?:\s+(.*))?", re.DOTALL)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search


class BadArgument(Exception):
    """The argument cannot be read; nothing of it is in here."""


@dataclass(frozen=True, slots=True, repr=False)
class Path:
    """`FROM:<mailbox> PARAMETERS`: the mailbox as it stands, parameters by their names in capitals."""

    mailbox: str
    parameters: Mapping[str, str]


def read_command(line: bytes) -> tuple[str, str]:
    """(verb in capitals, argument); raises BadArgument for what is no text."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise BadArgument from None
    if _CONTROL(text.replace("\t", " ")):
        raise BadArgument
    verb, _, argument = text.partition(" ")
    return verb.upper(), argument.strip()


def read_path(argument: str, *, keyword: str) -> Path:
    """The mailbox behind `FROM:` or `TO:`; raises BadArgument."""
    start, colon, rest = argument.partition(":")
    found = _PATH.fullmatch(rest)
    if start.strip().upper() != keyword or not colon or found is None:
        raise BadArgument
    parameters: dict[str, str] = {}
    for word in (found[2] or "").split():
        match = _PARAMETER(word)
        if match is None or match[1].upper() in parameters:
            raise BadArgument
        parameters[match[1].upper()] = match[2] or ""
    return Path(found[1].strip(), parameters)


def decode_login(text: str) -> bytes:
    """The octets of a base64 answer; `=` stands for none (RFC 4954 §4). Raises BadArgument."""
    if text == "=":
        return b""
    try:
        return b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise BadArgument from None


def read_plain(answer: bytes) -> tuple[bytes, bytes]:
    """(name, password) of AUTH PLAIN (RFC 4616); raises BadArgument.

    Whoever wants to act for somebody else gets a name nobody has, and so the answer to a wrong password.
    """
    parts = answer.split(b"\0", 2)
    if len(parts) != 3:
        raise BadArgument
    identity, name, password = parts
    return (name, password) if identity in {b"", name} else (b"\0", password)


def write_authorization(name: bytes, password: bytes) -> str:
    """Name and password as the header the check of credentials reads; `App` with a key is one of its forms."""
    if b":" in name:
        # There the colon ends the name, and another name would be asked about.
        name = b"\0"
    return f"Basic {b64encode(name + b':' + password).decode('ascii')}"
