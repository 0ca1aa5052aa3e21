"""What an API or SMTP request brings along, sealed for as long as its mails wait.

Sealed form: JSON of everything but files, a NUL, and the files one behind the other. JSON has no NUL.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from functools import cache
from itertools import compress
from operator import attrgetter
from typing import Any, Protocol, TypeVar
from uuid import UUID

from campaigns.content.letter import Attachment
from campaigns.errors import CampaignError
from campaigns.models import Lane, Submission
from campaigns.outbox.sealed_files import FileEntry
from compliance import vault

# How long the keys of protected content outlive the time in which it may leave; the content itself is wiped before.
KEPT = timedelta(days=3)

Mailbox = tuple[str, str]
"""(display name or "", mailbox with its domain as A-label)."""


@dataclass(frozen=True, slots=True, repr=False)
class Heading:
    """What the mails of one group show: `to` is None where each reader sees only their own address."""

    to: tuple[Mailbox, ...] | None = None
    cc: tuple[Mailbox, ...] = ()
    reply_to: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """Where the caller wants to be told, and what to say besides; empty: the account's subscriptions apply."""

    delivery_url: str = ""
    tracking_url: str = ""
    content_type: str = "application/json"
    intermediate: bool = False
    notify: bool = True
    callback_data: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Masking:
    """How the values of one placeholder are hidden in the mail (Infobip's placeholdersMasking)."""

    name: str
    side: str = "L"
    mask: str = "*"
    visible: int = 0
    delimiter: str = ""
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class ListedFile:
    """An attachment inside a finished mail: its name, its type by content (None: not recognised), its size in bytes."""

    name: str
    detected_type: str | None
    size: int


@dataclass(frozen=True, slots=True, repr=False)
class Payload:
    """The content of one request; track_… None: as account and domain say.

    `raw` is a finished mail instead of texts, and `listed` the files in it. One `from_nobody` leaves with the null return
    path of notices, so that nothing comes back about it (RFC 5321 §4.5.5).
    """

    from_name: str
    from_mailbox: str
    headings: tuple[Heading, ...] = (Heading(),)
    subject: str = ""
    html: str = ""
    text: str = ""
    amp: str = ""
    language: str = "1"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    headers: tuple[Mailbox, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    raw: bytes = b""
    listed: tuple[ListedFile, ...] = ()
    masking: tuple[Masking, ...] = ()
    track_opens: bool | None = None
    track_clicks: bool | None = None
    pixel_at_top: bool = True
    landing_placeholders: Mapping[str, Any] = field(default_factory=dict)
    from_nobody: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Personal:
    """What is one recipient's alone: which heading, their part in it (to, cc, bcc), their name and values.

    In the HIPAA lane the address itself, its domain as A-label, stands here and in no column, and so do the recipient's
    own files, whose contents lie beside the message.
    """

    heading: int = 0
    part: str = "to"
    name: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    mailbox: str = ""
    files: tuple[FileEntry, ...] = ()


NOBODY_SPECIAL = Personal()


def seal_payload(submission: Submission, payload: Payload) -> bytes:
    """The payload as its submission keeps it."""
    files = [*(entry.data for entry in payload.attachments), payload.raw]
    kept = {**_without_files(payload), "sizes": [len(data) for data in files]}
    # Parts by themselves, as the encoder meets them: asdict would copy everything first.
    head = _write(kept).encode("utf-8", "replace")
    return vault.seal(b"\0".join((head, b"".join(files))), content_scope(submission), **_context(submission))


def content_scope(submission: Submission) -> vault.KeyScope | None:
    """The key that dies with a submission's content; None for the account's standing key, in the standard lane.

    A HIPAA send has one of its own, so that it can be shredded alone; requests of programs share one for each day.
    """
    if submission.lane != Lane.HIPAA:
        return None
    owner, keep_until = str(submission.account.public_id), submission.valid_until + KEPT
    if submission.campaign_id is None:
        return vault.until(owner, keep_until)
    return vault.only_for(owner, thing="submission", public_id=str(submission.public_id), keep_until=keep_until)


def _without_files(part: Any) -> dict[str, Any]:
    names, values_of = _texts_of(type(part))  # type: ignore[arg-type] # mypy holds that classes cannot be hashed
    return dict(zip(names, values_of(part), strict=True))


@cache
def _texts_of(kind: type) -> tuple[Sequence[str], Callable[[Any], tuple[Any, ...]]]:
    names = [entry.name for entry in fields(kind) if entry.type not in ("bytes", bytes)]
    return names, attrgetter(*names)


# json.dumps would make an encoder for each call.
_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_without_files).encode


def open_payload(submission: Submission) -> Payload:
    """The payload of a submission; raises CampaignError `message.seal-broken` or `message.content-gone`."""
    if submission.payload_sealed is None:
        raise CampaignError("message.content-gone", "The content of this mail was deleted after it was sent.")
    try:
        head, _, files = vault.unseal(bytes(submission.payload_sealed), **_context(submission)).partition(b"\0")
    except vault.SealBroken:
        raise CampaignError("message.seal-broken", "The content of this mail cannot be opened.") from None
    kept: dict[str, Any] = json.loads(head)
    data, start = [], 0
    for size in kept.pop("sizes"):
        data.append(files[start : start + size])
        start += size
    headings = tuple(
        Heading(
            to=None if entry["to"] is None else _pairs(entry["to"]),
            cc=_pairs(entry["cc"]),
            reply_to=entry["reply_to"],
        )
        for entry in kept.pop("headings")
    )
    attachments = [Attachment(**entry, data=file) for entry, file in zip(kept.pop("attachments"), data, strict=False)]
    masking = [Masking(**{**entry, "skipped": tuple(entry["skipped"])}) for entry in kept.pop("masking")]
    listed = tuple(ListedFile(**entry) for entry in kept.pop("listed"))
    return Payload(
        **{**kept, "headers": _pairs(kept["headers"])},
        headings=headings,
        attachments=tuple(attachments),
        masking=tuple(masking),
        listed=listed,
        raw=data[-1],
    )


def _pairs(rows: list[list[str]]) -> tuple[Mailbox, ...]:
    return tuple((name, text) for name, text in rows)


def seal_webhook(submission: Submission, webhook: Webhook) -> bytes | None:
    """Where the caller wants to be told, as the submission keeps it; None when nothing was said about it."""
    if webhook == Webhook():
        return None
    return vault.seal(_write(asdict(webhook)).encode("utf-8", "replace"), **_context(submission, "webhook"))


def open_webhook(submission: Submission) -> Webhook:
    """Where the caller wants to be told; the usual when nothing was said, or when it cannot be opened any more."""
    if submission.webhook_sealed is None:
        return Webhook()
    try:
        opened = vault.unseal(bytes(submission.webhook_sealed), **_context(submission, "webhook"))
    except vault.SealBroken:
        return Webhook()
    return Webhook(**json.loads(opened))


# As long as the law wants an unsubscribe link to work at least (CASL s. 11(2)); then the page has no values any more.
_LANDING_KEPT = timedelta(days=60)


def seal_landing(submission: Submission, values: Mapping[str, Any], *, now: datetime) -> str:
    """Values for the unsubscribe page, as text for the submission's options; '' for none."""
    if not values:
        return ""
    scope = vault.until(str(submission.account.public_id), max(now, submission.send_at) + _LANDING_KEPT)
    text = _write(values).encode("utf-8", "replace")
    return b64encode(vault.seal(text, scope, **_context(submission, "landing"))).decode("ascii")


def open_landing(submission: Submission) -> Mapping[str, Any]:
    """Values for the unsubscribe page; none when there are none, or when their days are over."""
    sealed = submission.options.get("landing", "")
    if not sealed:
        return {}
    try:
        found: dict[str, Any] = json.loads(vault.unseal(b64decode(sealed), **_context(submission, "landing")))
    except (vault.SealBroken, vault.KeysUnavailable):
        return {}
    return found


def _context(submission: Submission, field: str = "payload") -> dict[str, str]:
    account, mine = str(submission.account.public_id), str(submission.public_id)
    return {"account": account, "thing": "submission", "id": mine, "field": field}


def _write_personal(personal: Personal) -> bytes:
    # By hand: a request has a thousand of them, and asdict() copies whatever is in the values.
    kept = {"heading": personal.heading, "part": personal.part, "name": personal.name, "values": personal.values}
    if personal.mailbox:
        kept["mailbox"] = personal.mailbox
    if personal.files:
        kept["files"] = [asdict(entry) for entry in personal.files]
    return _write(kept).encode("utf-8", "replace")


class Sealed(Protocol):
    """A message with what is sealed for its recipient."""

    @property
    def public_id(self) -> UUID: ...
    @property
    def address_key(self) -> str: ...
    @property
    def placeholders_sealed(self) -> bytes | None: ...


_Sealed = TypeVar("_Sealed", bound=Sealed)


def seal_recipients(
    submission: Submission, recipients: Sequence[tuple[UUID | str, str, Personal]]
) -> list[bytes | None]:
    """What messages keep of their recipients, (public id of the message, address key, part) each; None for nothing special.

    Each opens for that message only, in the HIPAA lane for that recipient only, where nobody is nothing special. Raises
    KeysUnavailable, Shredded.
    """
    is_special = [personal != NOBODY_SPECIAL for _, _, personal in recipients]
    # What is the same of all of them is worked out once.
    base = personal_context(submission, "")

    def place(public_id: UUID | str, key: str) -> dict[str, str]:
        return {**base, "id": str(public_id), **({"recipient": key} if "recipient" in base else {})}

    special = list(compress(recipients, is_special))
    sealed = iter(
        vault.seal_many(
            [_write_personal(personal) for _, _, personal in special],
            contexts=(place(public_id, key) for public_id, key, _ in special),
            scope=content_scope(submission),
        )
    )
    return [next(sealed) if one else None for one in is_special]


def open_recipients(
    messages: Sequence[_Sealed], *, submission_of: Callable[[_Sealed], Submission]
) -> list[Personal | None]:
    """Their recipients' parts in the same order, None for one that does not open; raises KeysUnavailable."""
    opened = vault.unseal_many(
        (bytes(message.placeholders_sealed or b"") for message in messages),
        contexts=(
            personal_context(submission_of(message), str(message.public_id), address_key=message.address_key)
            for message in messages
        ),
    )
    return [None if text is None else _read_personal(text) for text in opened]


def _read_personal(text: bytes) -> Personal:
    kept: dict[str, Any] = json.loads(text)
    return Personal(**{**kept, "files": tuple(FileEntry(**entry) for entry in kept.get("files", ()))})


def open_personal(submission: Submission, sealed: bytes | None, *, message_id: str) -> Personal:
    """One recipient's part; raises CampaignError `message.seal-broken`."""
    if sealed is None:
        return NOBODY_SPECIAL
    try:
        return Personal(**json.loads(vault.unseal(sealed, **personal_context(submission, message_id))))
    except vault.SealBroken:
        raise CampaignError("message.seal-broken", "The values of this message cannot be opened.") from None


def personal_context(submission: Submission, message_id: str, *, address_key: str = "") -> dict[str, str]:
    """Where the sealed part of a message belongs; in the HIPAA lane it is bound to the recipient, too."""
    account = str(submission.account.public_id)
    context = {"account": account, "thing": "message", "id": message_id, "field": "placeholders"}
    return {**context, "recipient": address_key} if submission.lane == Lane.HIPAA else context
