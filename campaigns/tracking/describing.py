"""From what is to be told to the calls that tell it: made from the ledger at the last moment, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4, uuid5

from campaigns.content.markers import MARK
from campaigns.errors import CampaignError
from campaigns.models import (
    REPORT_KINDS,
    BaaStatus,
    Device,
    Event,
    EventKind,
    Lane,
    Message,
    MessageState,
    Submission,
    System,
    TrackedLink,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFormat,
    WebhookKind,
)
from campaigns.net.destinations import check_public_url
from campaigns.outbox import statuses
from campaigns.outbox.deliveries import first_attempts
from campaigns.outbox.payload import Webhook, open_webhook
from campaigns.outbox.views import told_link
from campaigns.webhooks.claims import Parcel
from campaigns.webhooks.deliver import Call
from campaigns.webhooks.endpoints import check_signed, read_config
from campaigns.webhooks.payloads import (
    CONTENT_TYPES,
    Happening,
    Mail,
    event_of,
    rate_of,
    report_of,
    write_json,
    write_reports,
)
from campaigns.webhooks.signing import Signer

_STATE_OF = {
    EventKind.SENT: MessageState.SENT,
    EventKind.DELIVERED: MessageState.DELIVERED,
    EventKind.BOUNCED: MessageState.BOUNCED,
    EventKind.REFUSED: MessageState.REFUSED,
    EventKind.FAILED: MessageState.FAILED,
    EventKind.EXPIRED: MessageState.EXPIRED,
}


@dataclass(frozen=True, slots=True, repr=False)
class Untold:
    """Rows that nothing can be said about, and why."""

    rows: Parcel
    code: str


@dataclass(frozen=True, slots=True, repr=False)
class _Place:
    """Where something goes and in which form; things for the same place travel together."""

    url: str
    form: WebhookFormat


class DescribeMail(Protocol):
    """The call about a mail that came in, None when it is not kept any more."""

    def __call__(
        self, endpoint: WebhookEndpoint, row: WebhookDelivery, /, *, url: str, signer: Signer
    ) -> Call | None: ...


def describe_parcels(
    endpoint: WebhookEndpoint, parcels: Sequence[Parcel], *, now: datetime, describe_mail: DescribeMail | None = None
) -> Iterator[Call | Untold]:
    """A call for each parcel; more where requests named different addresses, and Untold for what is not there any more.

    The rows of a call are its `tag`. Raises CampaignError when the endpoint must not, or cannot, be called at all.
    """
    check_signed(endpoint.account, endpoint.security)
    signer, url = Signer(), ""
    if not endpoint.is_of_requests:
        config = read_config(endpoint)
        signer, url = config.signer(endpoint.security, now=now), config.url
    book = _Book(
        [row for parcel in parcels for row in parcel if row.details is None and row.kind != WebhookKind.INBOUND]
    )
    for parcel in parcels:
        if parcel[0].kind == WebhookKind.INBOUND:
            call = describe_mail(endpoint, parcel[0], url=url, signer=signer) if describe_mail is not None else None
            yield call if call is not None else Untold(parcel, "webhook.gone")
            continue
        yield from _describe(endpoint, parcel, book=book, url=url, signer=signer)


def _describe(
    endpoint: WebhookEndpoint, parcel: Parcel, *, book: _Book, url: str, signer: Signer
) -> Iterator[Call | Untold]:
    if parcel[0].details is not None:
        yield _rate_call(endpoint, parcel, url=url, signer=signer)
        return
    places: dict[_Place, list[WebhookDelivery]] = {}
    for row in parcel:
        event = book.events.get(row.about)
        if event is None:
            yield Untold([row], "webhook.gone")
        elif endpoint.is_of_requests:
            try:
                place = _named_place(row, book.webhooks[event.message.submission_id])
            except CampaignError as error:
                yield Untold([row], error.code)
            else:
                places.setdefault(place, []).append(row)
        else:
            places.setdefault(_Place(url, WebhookFormat(endpoint.format)), []).append(row)
    for place, rows in places.items():
        yield _call(endpoint, rows, place=place, book=book, signer=signer)


def _named_place(row: WebhookDelivery, webhook: Webhook) -> _Place:
    """Where the request wants this to go; raises CampaignError."""
    url = webhook.delivery_url if row.kind in REPORT_KINDS else webhook.tracking_url
    if not url:
        raise CampaignError("webhook.address-unknown", "The request is not kept any more.")
    is_xml = webhook.content_type == CONTENT_TYPES[WebhookFormat.XML]
    return _Place(check_public_url(url), WebhookFormat.XML if is_xml else WebhookFormat.JSON)


def _call(
    endpoint: WebhookEndpoint, rows: Sequence[WebhookDelivery], *, place: _Place, book: _Book, signer: Signer
) -> Call:
    first = rows[0]
    if first.kind in REPORT_KINDS:
        reports = [report_of(book.mail(row), book.happening(row)) for row in rows]
        body, form = write_reports(reports, form=place.form), place.form
        call_id = uuid5(endpoint.public_id, ",".join(str(row.pk) for row in rows))
    else:
        # Only delivery reports have a form in XML.
        body, form = write_json(event_of(book.mail(first), book.happening(first))), WebhookFormat.JSON
        call_id = UUID(book.event_id(first))
    return Call(endpoint.pk, place.url, CONTENT_TYPES[form], body, str(call_id), signer, tag=tuple(rows))


def _rate_call(endpoint: WebhookEndpoint, parcel: Parcel, *, url: str, signer: Signer) -> Call:
    (row,) = parcel
    account = endpoint.account.public_id
    event_id = str(uuid5(account, f"{row.kind} {row.about}"))
    content = rate_of(WebhookKind(row.kind), row.details or {}, event_id=event_id, account=account, at=row.created_at)
    return Call(endpoint.pk, url, "application/json", write_json(content), event_id, signer, tag=(row,))


class _Book:
    """What the ledger says about some deliveries, read in four queries."""

    def __init__(self, rows: Sequence[WebhookDelivery]) -> None:
        found = Event.objects.filter(pk__in={row.about for row in rows}).select_related(
            "message__submission__account", "message__submission__sender", "message__submission__campaign"
        )
        found = found.defer("message__placeholders_sealed", "message__submission__payload_sealed")
        self.events: Mapping[int, Event] = {event.pk: event for event in found}
        submissions = {event.message.submission_id: event.message.submission for event in self.events.values()}
        self.webhooks = {pk: open_webhook(submission) for pk, submission in submissions.items()}
        reported = {row.about for row in rows if row.kind in REPORT_KINDS}
        self._first = first_attempts([self.events[pk].message_id for pk in reported if pk in self.events])
        self._links = _read_links(self.events.values())

    def event_id(self, row: WebhookDelivery) -> str:
        event = self.events[row.about]
        return str(uuid5(event.message.public_id, f"event {event.pk}"))

    def mail(self, row: WebhookDelivery) -> Mail:
        message = self.events[row.about].message
        submission = message.submission
        return Mail(
            public_id=str(message.public_id),
            message_id=message.client_id or str(message.public_id),
            bulk_id=submission.bulk_id or _bulk_of(submission),
            recipient=message.recipient,
            sender=submission.sender_address,
            accepted_at=submission.created_at,
            sent_at=message.sent_at,
            attempts=message.attempts,
            first_attempt_at=self._first.get(message.pk),
            campaign_reference=submission.campaign_reference or _campaign_of(submission),
            entity_id=submission.entity_id,
            application_id=submission.application_id,
            callback_data=self.webhooks[submission.pk].callback_data,
            browser_link=told_link(message) if row.kind in REPORT_KINDS else "",
            is_private=_is_private(message),
        )

    def happening(self, row: WebhookDelivery) -> Happening:
        event, kind = self.events[row.about], WebhookKind(row.kind)
        if kind not in REPORT_KINDS:
            url = self._links.get((event.message.submission_id, event.link or 0), "")
            return Happening(self.event_id(row), kind, event.at, event.code, url=url, device=_device_of(event))
        if kind == WebhookKind.INTERMEDIATE:
            status, fault = statuses.judge_on_the_way(event.code)
        else:
            status, fault = statuses.judge(_STATE_OF[EventKind(event.kind)], event.code)
        return Happening(self.event_id(row), kind, event.at, event.code, status.as_json(), fault.as_json())


def _read_links(events: Iterable[Event]) -> dict[tuple[int, int], str]:
    """Where the clicked links lead, by submission and number; a reader's own values are sealed in their mail alone.

    So an address that holds some is told as far as it is the same for everybody.
    """
    clicked = {(event.message.submission_id, event.link) for event in events if event.link is not None}
    rows = TrackedLink.objects.filter(
        submission__in={pk for pk, _ in clicked}, number__in={number for _, number in clicked}
    )
    return {(row.submission_id, row.number): MARK.split(row.url, maxsplit=1)[0] for row in rows}


_DEVICES = {Device.DESKTOP: "Desktop", Device.PHONE: "Phone", Device.TABLET: "Tablet"}


def _device_of(event: Event) -> dict[str, str]:
    """`recipientInfo` of an open or click, as far as it is known."""
    if event.device not in _DEVICES:
        return {}
    system = {"os": str(System(event.system).label)} if event.system else {}
    return {"deviceType": _DEVICES[Device(event.device)], **system}


def _is_private(message: Message) -> bool:
    submission = message.submission
    return submission.lane == Lane.HIPAA or submission.account.baa_status != BaaStatus.NONE


def _bulk_of(submission: Submission) -> str:
    """A campaign's mails belong together under the number of their sending."""
    return str(submission.public_id) if submission.campaign_id else ""


def _campaign_of(submission: Submission) -> str:
    return str(submission.campaign.public_id) if submission.campaign else ""


def sample_call(endpoint: WebhookEndpoint, *, now: datetime) -> Call:
    """What an endpoint gets when somebody tries it out: made up, in the shape of real things. Raises CampaignError."""
    config = read_config(endpoint)
    is_private = endpoint.account.baa_status != BaaStatus.NONE
    mail = Mail("test", "test", "test", "someone@example.com", "you@example.com", now, now, is_private=is_private)
    wants_reports = any(endpoint.wants(kind) for kind in REPORT_KINDS)
    kind = WebhookKind.DELIVERY if wants_reports else WebhookKind.OPENED
    made_up = Happening(
        "test", kind, now, "", statuses.DELIVERED.as_json(), statuses.NO_ERROR.as_json()
    )  # fmt: skip
    form = WebhookFormat(endpoint.format) if wants_reports else WebhookFormat.JSON
    body = (
        write_reports([report_of(mail, made_up)], form=form) if wants_reports else write_json(event_of(mail, made_up))
    )
    signer = config.signer(endpoint.security, now=now)
    return Call(endpoint.pk, config.url, CONTENT_TYPES[form], body, f"test-{uuid4()}", signer)
