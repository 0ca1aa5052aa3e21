"""POST /email/4/mime: a finished mail, as SMTP takes it, with the same verdicts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from pydantic import Field

from campaigns import addresses
from campaigns.accounts.keys import Credential
from campaigns.addresses import Address
from campaigns.api import schemas
from campaigns.api.allow import SEND
from campaigns.api.envelopes import Violation, encode
from campaigns.api.translate import Refused
from campaigns.content.mail_controls import LONGEST_CALLBACK_DATA, Controls
from campaigns.content.submitted import Submitted, read_submitted
from campaigns.domains.organisations import is_one_organisation
from campaigns.errors import CampaignError
from campaigns.models import Door
from campaigns.net.destinations import check_public_url
from campaigns.outbox import repeats, statuses
from campaigns.outbox.finished import Origin, check_recipient, compose_batch, load_rights
from campaigns.outbox.requests import MOST_RECIPIENTS, Batch, check_batch
from campaigns.outbox.together import accept_requests

router = Router(tags=["Sending"])


class MimeRequest(schemas.Given):
    """A finished mail, and what else there is to say about it; what is said here wins over its own headers."""

    mime_message: Annotated[
        str, Field(min_length=1, description="The whole mail, headers and body (RFC 5322), as base64.")
    ]
    message_id: schemas.MessageId | None = None
    bulk_id: Annotated[str, Field(max_length=100)] | None = None
    from_: Annotated[
        str | None,
        Field(alias="from", max_length=1000, description="Instead of From, at a domain of the same organisation."),
    ] = None
    destinations: Annotated[
        list[Annotated[str, Field(max_length=1000)]] | None,
        Field(max_length=MOST_RECIPIENTS, description="Who gets the mail instead of To, Cc and Bcc."),
    ] = None
    intermediate_report: bool | None = None
    notify_url: schemas.Url | None = None
    notify_content_type: Literal["application/json", "application/xml"] | None = None
    callback_data: Annotated[str, Field(max_length=LONGEST_CALLBACK_DATA)] | None = None
    tracking_url: schemas.Url | None = None
    client_priority: schemas.Priority | None = None
    application_id: schemas.Name255 | None = None
    entity_id: schemas.Name255 | None = None


@router.post(
    "/4/mime",
    auth=SEND,
    operation_id="send_mime_email",
    summary="Send a finished mail",
    response={200: schemas.SendResponse, **schemas.OLDER, 503: schemas.ApiException},
    by_alias=True,
    openapi_extra={"parameters": [schemas.IDEMPOTENCY_PARAMETER]},
)
def send_mime_email(request: HttpRequest, body: MimeRequest) -> HttpResponse:
    """Its recipients get exactly this mail, signed. The 200 comes when it is stored for good."""
    now = timezone.now()
    credential: Credential = request.auth  # type: ignore[attr-defined]
    sender, mail = _read(body, now=now)
    with _faults_at("from" if sender is not None else "mimeMessage"):
        load_rights(credential.account, to_sandbox=credential.to_sandbox).require(mail.sender.domain)
    controls, recipients = _controls(body, mail.controls), _recipients(body, mail)
    origin = Origin(credential.account, Door.HTTP, credential.purpose, credential.lane, credential.to_sandbox)
    with _faults_at("mimeMessage"):
        batch = compose_batch(mail, origin=origin, recipients=recipients, controls=controls, now=now)
    check_batch(batch)

    def make() -> bytes:
        return encode(_answer(batch, now=now))

    given = request.META.get(schemas.IDEMPOTENCY_META, "")[:200]
    named = (("header", given), ("bulk", body.bulk_id), ("message", controls.message_id))
    keys = [f"{kind}:{name}" for kind, name in named if name]
    text = body.model_dump_json(exclude_unset=True).encode() if keys else b""
    answer = repeats.answer_once(credential.account, keys=keys, body=text, make=make, in_sandbox=credential.to_sandbox)
    return HttpResponse(answer, content_type="application/json")


def _read(body: MimeRequest, *, now: datetime) -> tuple[tuple[str, Address] | None, Submitted]:
    """The sender asked for, if any, and the mail from it."""
    sender = None
    if body.from_ and body.from_.strip():
        with _faults_at("from"):
            sender = addresses.read_mailbox(body.from_)
    try:
        raw = base64.b64decode("".join(body.mime_message.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(Violation("mimeMessage", "must be base64")) from None
    with _faults_at("mimeMessage"):
        mail = read_submitted(raw, now=now, largest=settings.MAX_MESSAGE_BYTES, sender=sender)
    if not is_one_organisation(mail.sender.domain, mail.written_sender.domain):
        raise Refused(Violation("from", "must be at a domain of the same organisation as the From header"))
    return sender, mail


def _recipients(body: MimeRequest, mail: Submitted) -> list[tuple[str, Address]]:
    if not body.destinations:
        with _faults_at("mimeMessage"):
            found = mail.recipients()
            for _, address in found:
                check_recipient(address)
        return found
    found = []
    for place, text in enumerate(body.destinations):
        with _faults_at(f"destinations[{place}]"):
            found.append(addresses.read_mailbox(text))
            check_recipient(found[-1][1])
    return found


def _controls(body: MimeRequest, written: Controls) -> Controls:
    given = {
        "message_id": body.message_id,
        "bulk_id": body.bulk_id,
        "intermediate_report": body.intermediate_report,
        "notify_url": body.notify_url,
        "notify_content_type": body.notify_content_type,
        "callback_data": body.callback_data,
        "tracking_url": body.tracking_url,
        "application_id": body.application_id,
        "entity_id": body.entity_id,
    }
    said: dict[str, Any] = {name: value for name, value in given.items() if value not in (None, "")}
    for path, url in (("notifyUrl", body.notify_url), ("trackingUrl", body.tracking_url)):
        if url:
            with _faults_at(path):
                check_public_url(url)
    controls = replace(written, **said)
    is_many = bool(body.destinations and len(body.destinations) > 1)
    return replace(controls, bulk_id=controls.bulk_id or (uuid4().hex if is_many else ""))


def _answer(batch: Batch, *, now: datetime) -> dict[str, Any]:
    accepted = accept_requests(batch, now=now)
    ids = {entry.address.key: entry.message_id for entry in accepted}
    status = statuses.ACCEPTED.as_json()
    messages = [
        # Who shares the id of the first is not told apart by the outbox.
        {
            "to": entry.address.normalized,
            "messageId": ids.get(entry.address.key, accepted[0].message_id),
            "status": status,
        }
        for group in batch.requests[0].groups
        for entry in group.to
    ]
    return {**({"bulkId": batch.bulk_id} if batch.bulk_id else {}), "messages": messages}


@contextmanager
def _faults_at(path: str) -> Iterator[None]:
    """What a room refuses is told as the fault of this field; what is too large stays a 413."""
    try:
        yield
    except CampaignError as error:
        # Refusals under HIPAA have codes of their own.
        if error.status == 413 or error.code.startswith("hipaa."):
            raise
        raise Refused(Violation(path, error.safe_text)) from error
