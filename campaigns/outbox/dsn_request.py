"""What a program asked to be told about its mail by mail (RFC 3461), sealed with the submission."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from campaigns.models import Lane, Submission
from compliance import vault

OPTION = "dsn"
"""Where a submission's options have it. Absent where nothing was asked, so that such mails cost nothing."""

# Servers keep trying for some days, and what comes back later is no news to anybody (RFC 5321 §4.5.4.1).
_KEPT = timedelta(days=7)
_LONGEST_HEAD = 8_000


@dataclass(frozen=True, slots=True, repr=False)
class Wish:
    """What is to be told about one recipient; `original` is ORCPT decoded, `type;address`, or ''."""

    failure: bool = False
    success: bool = False
    original: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class DsnRequest:
    """Whom to tell (`sender`, the mailbox of MAIL FROM), and of whom: wishes by the normalized address.

    `envelope_id` is ENVID decoded, `head` the headers of the mail, which a notice gives back.
    """

    sender: str
    wishes: Mapping[str, Wish]
    envelope_id: str = ""
    head: str = ""


def with_head(request: DsnRequest, raw: bytes) -> DsnRequest | None:
    """The request as it is kept, with the headers of this mail of CRLF lines; None when it asks for nothing."""
    wishes = {address: wish for address, wish in request.wishes.items() if wish.failure or wish.success}
    if not wishes:
        return None
    head = raw[: raw.find(b"\r\n\r\n") + 2]
    if len(head) > _LONGEST_HEAD:
        head = head[: head.rfind(b"\r\n", 0, _LONGEST_HEAD) + 2]
    return replace(request, wishes=wishes, head=head.decode("utf-8", "replace"))


def seal_request(submission: Submission, request: DsnRequest | None) -> dict[str, str]:
    """What to add to the submission's options; nothing when nothing was asked, and never in the HIPAA lane."""
    if request is None or submission.lane != Lane.STANDARD:
        return {}
    scope = vault.until(str(submission.account.public_id), submission.valid_until + _KEPT)
    text = json.dumps(asdict(request), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return {OPTION: b64encode(vault.seal(text, scope, **_context(submission))).decode("ascii")}


def open_request(submission: Submission) -> DsnRequest | None:
    """What was asked; None when nothing was, or when its days are over. Raises KeysUnavailable."""
    sealed = submission.options.get(OPTION)
    if not sealed:
        return None
    try:
        kept = json.loads(vault.unseal(b64decode(sealed), **_context(submission)))
    except vault.SealBroken:
        return None
    return DsnRequest(**{**kept, "wishes": {address: Wish(**wish) for address, wish in kept["wishes"].items()}})


def _context(submission: Submission) -> dict[str, str]:
    account, mine = str(submission.account.public_id), str(submission.public_id)
    return {"account": account, "thing": "submission", "id": mine, "field": "dsn"}
