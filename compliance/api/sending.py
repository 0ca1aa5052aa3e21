"""The sending operations of the HIPAA endpoint: Infobip's paths and bodies, so that a client changes its base URL and key."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router

from campaigns.accounts.keys import Credential
from campaigns.accounts.refusals import note_refusal
from campaigns.api import form_sending, mime, schemas, sending
from campaigns.api.composing import Composed, Composer, check_time
from campaigns.api.envelopes import Violation
from campaigns.api.forms import read_form
from campaigns.api.translate import Refused
from campaigns.errors import CampaignError
from campaigns.outbox import statuses
from compliance.api import strict
from compliance.api.allow import DOOR, SEND

router = Router(tags=["Sending"])


@router.post(
    "/4/messages",
    auth=SEND,
    operation_id="send_protected_email",
    url_name="hipaa-send-email",
    summary="Send email with protected health information",
    response={200: schemas.EmailResponse, **schemas.NEWER, 503: schemas.ApiError},
    by_alias=True,
)
def send_email(request: HttpRequest) -> HttpResponse:
    """Up to 1,000 recipients, each with a mail of their own and values of their own. The 200 comes when all are stored."""
    with _kept(request):
        body = strict.read_body(request, schemas.EmailRequest)
        return _send(request, body, most_days=sending.MOST_DAYS, key="destination", status=statuses.ENROUTE)


@router.post(
    "/3/send",
    auth=SEND,
    operation_id="send_protected_email_by_form",
    url_name="hipaa-send-email-by-form",
    summary="Send email with protected health information by a form",
    response={200: schemas.SendResponse, **schemas.OLDER, 503: schemas.ApiException},
    by_alias=True,
)
def send_email_by_form(request: HttpRequest) -> HttpResponse:
    """The operation before: multipart/form-data, part names in any case. Files stay in memory."""
    with _kept(request):
        form = read_form(request)
        strict.check_form(form)
        body = form_sending.read_request(form)
        with form_sending.paths_of_form():
            return _send(request, body, most_days=sending.MOST_DAYS_BY_FORM, key="to", status=statuses.ACCEPTED)


@router.post(
    "/4/mime",
    auth=SEND,
    operation_id="send_protected_mime_email",
    url_name="hipaa-send-mime",
    summary="Send a finished mail with protected health information",
    response={200: schemas.SendResponse, **schemas.OLDER, 503: schemas.ApiException},
    by_alias=True,
)
def send_mime_email(request: HttpRequest) -> HttpResponse:
    """To one person, whose alone its body is; its head holds nothing about them."""
    with _kept(request):
        strict.check_key(request, schemas.IDEMPOTENCY)
        return mime.send_mime_email(request, strict.read_body(request, mime.MimeRequest))


def _send(
    request: HttpRequest, body: schemas.EmailRequest, *, most_days: int, key: str, status: statuses.Status
) -> HttpResponse:
    strict.check_key(request, schemas.IDEMPOTENCY)
    credential: Credential = request.auth  # type: ignore[attr-defined]
    now, schedule = timezone.now(), body.options.schedule
    send_at = check_time(schedule.send_at, now=now, most_days=most_days, path="options.schedule.sendAt")
    composed = Composer(credential.account, body.options).compose(body.messages)
    _require_addresses(composed)
    return sending.send_composed(
        request, body, composed, send_at=send_at, now=now, bulk_id=schedule.bulk_id or "", key=key, status=status
    )


def _require_addresses(composed: Composed) -> None:
    """Who cannot be written to is not told back by name: the request is refused, and its sender looks where."""
    if composed.malformed:
        raise Refused(Violation("messages", f"names {len(composed.malformed)} addresses nobody can write to"))


@contextmanager
def _kept(request: HttpRequest) -> Generator[None]:
    """What is refused is kept in the audit trail."""
    try:
        yield
    except CampaignError as error:
        note_refusal(request.auth, error, door=DOOR)  # type: ignore[attr-defined]
        raise
