"""POST /email/4/messages (JSON) and POST /email/3/send (a form): the operations that send mail of texts and templates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.decorators import decorate_view
from pydantic_core import PydanticSerializationError

from campaigns.accounts.keys import Credential
from campaigns.api import form_sending, schemas
from campaigns.api.allow import SEND
from campaigns.api.composing import Composed, Composer, Malformed, check_time
from campaigns.api.envelopes import encode
from campaigns.api.forms import read_form
from campaigns.models import Door
from campaigns.outbox import repeats, statuses
from campaigns.outbox.gathering import Gathering
from campaigns.outbox.requests import Accepted, Batch, check_batch
from campaigns.outbox.together import accept_requests

router = Router(tags=["Sending"])
_gathering = Gathering()

MOST_DAYS, MOST_DAYS_BY_FORM = 5, 30


@router.post(
    "/4/messages",
    auth=SEND,
    operation_id="send_email",
    summary="Send email",
    response={200: schemas.EmailResponse, **schemas.NEWER, 503: schemas.ApiError},
    by_alias=True,
    openapi_extra={"parameters": [schemas.IDEMPOTENCY_PARAMETER]},
)
@decorate_view(_gathering.expects)
def send_email(request: HttpRequest, body: schemas.EmailRequest) -> HttpResponse:
    """Up to 1,000 recipients over all messages. The 200 comes when every mail is stored for good."""
    now = timezone.now()
    schedule = body.options.schedule
    send_at = check_time(schedule.send_at, now=now, most_days=MOST_DAYS, path="options.schedule.sendAt")
    composed = Composer(_account(request), body.options).compose(body.messages)
    return send_composed(
        request, body, composed, send_at=send_at, now=now, bulk_id=schedule.bulk_id or "", key="destination",
        status=statuses.ENROUTE,
    )  # fmt: skip


@router.post(
    "/3/send",
    auth=SEND,
    operation_id="send_email_by_form",
    summary="Send email by a form",
    response={200: schemas.SendResponse, **schemas.OLDER, 503: schemas.ApiException},
    by_alias=True,
    openapi_extra={**form_sending.DESCRIPTION, "parameters": [schemas.IDEMPOTENCY_PARAMETER]},
)
@decorate_view(_gathering.expects)
def send_email_by_form(request: HttpRequest) -> HttpResponse:
    """The operation before `send_email`: multipart/form-data, part names in any case."""
    now = timezone.now()
    body = form_sending.read_request(read_form(request))
    schedule = body.options.schedule
    send_at = check_time(schedule.send_at, now=now, most_days=MOST_DAYS_BY_FORM, path="sendAt")
    with form_sending.paths_of_form():
        composed = Composer(_account(request), body.options).compose(body.messages)
    return send_composed(
        request, body, composed, send_at=send_at, now=now, bulk_id=schedule.bulk_id or "", key="to",
        status=statuses.ACCEPTED,
    )  # fmt: skip


def _account(request: HttpRequest) -> Any:
    credential: Credential = request.auth  # type: ignore[attr-defined]
    return credential.account


def send_composed(
    request: HttpRequest,
    body: schemas.EmailRequest,
    composed: Composed,
    *,
    send_at: datetime,
    now: datetime,
    bulk_id: str,
    key: str,
    status: statuses.Status,
) -> HttpResponse:
    """Store what was composed and answer; `key` names the address in the answer. Raises CampaignError."""
    credential: Credential = request.auth  # type: ignore[attr-defined]
    given = request.META.get(schemas.IDEMPOTENCY_META, "")[:200]
    keys = [*([f"header:{given}"] if given else []), *_keys(body, bulk_id)]
    is_many = len(composed.requests) > 1 or send_at > now or sum(len(r.groups[0].to) for r in composed.requests) > 1
    shown = bulk_id or (uuid4().hex if is_many else "")
    batch = Batch(
        account=credential.account,
        door=Door.HTTP,
        purpose=credential.purpose,
        requests=composed.requests,
        send_at=send_at,
        bulk_id=shown,
        lane=credential.lane,
        to_sandbox=credential.to_sandbox,
    )
    check_batch(batch, malformed=len(composed.malformed))

    def make() -> bytes:
        # With a key the note of it belongs into the same transaction; without one others may come along.
        accept = accept_requests if keys else _gathering.accept
        accepted = accept(batch, now=now) if batch.requests else []
        return encode(_answer(shown, accepted, composed.malformed, key=key, status=status))

    text = _write(body) if keys else b""
    answer = repeats.answer_once(credential.account, keys=keys, body=text, make=make, in_sandbox=credential.to_sandbox)
    return HttpResponse(answer, content_type="application/json")


def _write(body: schemas.EmailRequest) -> bytes:
    """The request as bytes, the same for the same one."""
    try:
        return body.model_dump_json(exclude_unset=True).encode()
    except PydanticSerializationError:
        # A value may hold half a character, which JSON can write and UTF-8 cannot.
        return repr(body.model_dump(exclude_unset=True)).encode()


def _keys(body: schemas.EmailRequest, bulk_id: str) -> Iterable[str]:
    if bulk_id:
        yield f"bulk:{bulk_id}"
    for message in body.messages:
        for group in message.destinations:
            for entry in (*group.to, *group.cc, *group.bcc):
                if entry.message_id:
                    yield f"message:{entry.message_id}"


def _answer(
    bulk_id: str, accepted: Sequence[Accepted], malformed: Sequence[Malformed], *, key: str, status: statuses.Status
) -> dict[str, Any]:
    taken, refused = status.as_json(), statuses.DESTINATION.as_json()
    messages = [
        *({key: entry.address.normalized, "messageId": entry.message_id, "status": taken} for entry in accepted),
        *({key: entry.text, "messageId": entry.client_id or uuid4().hex, "status": refused} for entry in malformed),
    ]
    return {**({"bulkId": bulk_id} if bulk_id else {}), "messages": messages}
