"""What MAIL and RCPT ask to be told about a mail (RFC 3461): NOTIFY, ORCPT, RET and ENVID."""

from __future__ import annotations

import re
from collections.abc import Mapping

from campaigns.outbox.dsn_request import Wish
from campaigns.smtp.commands import BadArgument

OF_MAIL = frozenset({"RET", "ENVID"})
OF_RECIPIENT = frozenset({"NOTIFY", "ORCPT"})

_LONGEST_ENVID = 100  # RFC 3461 §4.4, before encoding
_LONGEST_ORCPT = 500  # §4.2, as it stands
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", re.ASCII).fullmatch
_ENCODED = re.compile(r"\+([0-9A-F]{2})")
_PRINTABLE = re.compile(r"[ -~]+").fullmatch
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}").fullmatch
_EVENTS = frozenset({"SUCCESS", "FAILURE", "DELAY"})


def decode_xtext(text: str) -> str:
    """The text behind xtext (RFC 3461 §4); raises BadArgument, also when it is empty or holds more than printable ASCII.

    What this gives back may stand in a header.
    """
    if not _XTEXT(text):
        raise BadArgument
    decoded = _ENCODED.sub(lambda found: chr(int(found[1], 16)), text)
    if not _PRINTABLE(decoded):
        raise BadArgument
    return decoded


def read_of_mail(parameters: Mapping[str, str]) -> str:
    """The envelope id of MAIL, decoded, '' without one; raises BadArgument.

    RET is checked and no more: notices give back the headers, as the content is deleted once a mail has left.
    """
    if parameters.get("RET", "HDRS").upper() not in {"FULL", "HDRS"}:
        raise BadArgument
    if "ENVID" not in parameters:
        return ""
    envelope_id = decode_xtext(parameters["ENVID"])
    if len(envelope_id) > _LONGEST_ENVID:
        raise BadArgument
    return envelope_id


def read_of_recipient(parameters: Mapping[str, str]) -> Wish:
    """What RCPT wants to be told about; raises BadArgument. NEVER stands alone (RFC 3461 §4.1)."""
    events = {word.upper() for word in parameters.get("NOTIFY", "NEVER").split(",")}
    if events != {"NEVER"} and not events <= _EVENTS:
        raise BadArgument
    return Wish("FAILURE" in events, "SUCCESS" in events, _read_original(parameters))


def _read_original(parameters: Mapping[str, str]) -> str:
    """`rfc822;ann@example.net`, the address decoded; '' without ORCPT."""
    if "ORCPT" not in parameters:
        return ""
    kind, semicolon, encoded = parameters["ORCPT"].partition(";")
    if len(parameters["ORCPT"]) > _LONGEST_ORCPT or not semicolon or not _ADDRESS_TYPE(kind):
        raise BadArgument
    return f"{kind};{decode_xtext(encoded)}"
