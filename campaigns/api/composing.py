"""From bodies of sending operations to what the outbox takes: one translation for both generations of the wire."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import TypeVar

from django.utils import timezone

from campaigns import addresses
from campaigns.accounts.tenancy import access_landing_page, access_template_by_number, access_upload
from campaigns.addresses import Address
from campaigns.api import schemas
from campaigns.api.envelopes import Violation
from campaigns.api.translate import Refused
from campaigns.content import uploads
from campaigns.content.headers import check_headers
from campaigns.content.letter import Attachment
from campaigns.content.templates import open_attachments
from campaigns.errors import AddressError, CampaignError, NotFound
from campaigns.models import Account, BaaStatus, TemplateVersion
from campaigns.net.destinations import check_public_url
from campaigns.outbox.payload import Masking, Payload, Webhook
from campaigns.outbox.requests import Addressee, EmailRequest, Group
from campaigns.outbox.windows import WeekWindow
from campaigns.storage.terms import Skips

_T = TypeVar("_T")
_UNIT = {"SECONDS": timedelta(seconds=1), "MINUTES": timedelta(minutes=1), "HOURS": timedelta(hours=1)}
_DAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_LONGEST = timedelta(hours=48)
_LONGEST_LANDING = 256  # Infobip's error 6026
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, repr=False)
class Malformed:
    """A recipient nobody can write to: told in the answer, not stored."""

    text: str
    client_id: str


@dataclass(frozen=True, slots=True, repr=False)
class Composed:
    """What a request asks for, and whom of it nobody can write to."""

    requests: tuple[EmailRequest, ...]
    malformed: tuple[Malformed, ...]


class Composer:
    """Reads one request of an account; every fault is gathered, so that a caller mends all of them at once."""

    def __init__(self, account: Account, options: schemas.RequestOptions) -> None:
        self._account, self._options = account, options
        self._violations: list[Violation] = []
        self._malformed: list[Malformed] = []

    def compose(self, messages: Sequence[schemas.Message]) -> Composed:
        """Raises Refused with the paths of all faults."""
        self._check_url(self._options.tracking.tracking_url, "options.tracking.trackingUrl")
        requests = [self._request(message, f"messages[{place}]") for place, message in enumerate(messages)]
        if self._violations:
            raise Refused(*self._violations)
        return Composed(tuple(request for request in requests if request.groups), tuple(self._malformed))

    def _request(self, message: schemas.Message, path: str) -> EmailRequest:
        content, options = message.content, message.options
        version = self._version(content, path)
        name, address = self._sender(message, version, path)
        self._check_texts(content, version, path)
        if message.webhooks.delivery is not None:
            self._check_url(message.webhooks.delivery.url, f"{path}.webhooks.delivery.url")
        platform = options.platform or schemas.Platform()
        return EmailRequest(
            groups=tuple(
                group
                for place, entry in enumerate(message.destinations)
                if (group := self._group(entry, version, f"{path}.destinations[{place}]")) is not None
            ),
            payload=self._payload(message, version, name=name, mailbox=address.mailbox if address else "", path=path),
            sender_domain=address.domain if address else "",
            webhook=_webhook(message.webhooks, self._options.tracking),
            content=version,
            valid_for=_validity(options.validity_period),
            week=self._week(options.delivery_time_window, f"{path}.options.deliveryTimeWindow"),
            pool=message.ips.ip_pool_id or "",
            campaign_reference=options.campaign_reference_id or "",
            entity_id=platform.entity_id or "",
            application_id=platform.application_id or "",
            skips=_skips(message.storage or schemas.Storage()),
            landing_page=self._landing_page(content, version, f"{path}.content.optoutLandingPageId"),
        )

    def _landing_page(self, content: schemas.Content, version: TemplateVersion | None, path: str) -> int | None:
        """The page of the request, else of its template unless that was deleted since (Infobip's error 6030)."""
        given = content.optout_landing_page_id or ""
        # What a template says from before an agreement refuses no mail under it.
        is_ordinary = self._account.baa_status == BaaStatus.NONE
        chosen = given or (version.template.landing_page if version is not None and is_ordinary else "")
        try:
            return access_landing_page(self._account, chosen).pk if chosen else None
        except NotFound:
            if given:
                self._note(path, "must be the id of a landing page of this account")
            return None

    def _payload(
        self, message: schemas.Message, version: TemplateVersion | None, *, name: str, mailbox: str, path: str
    ) -> Payload:
        content, tracking = message.content, self._options.tracking
        none: tuple[tuple[str, str], ...] = ()
        landing = content.landing_page_placeholders or {}
        if len(json.dumps(landing, ensure_ascii=False)) > _LONGEST_LANDING:
            self._note(f"{path}.content.landingPagePlaceholders", f"must have at most {_LONGEST_LANDING} characters")
        headers = self._try(f"{path}.content.headers", lambda: check_headers(content.headers or {}), none)
        return Payload(
            from_name=name,
            from_mailbox=mailbox,
            subject=content.subject or "",
            html=content.html or "",
            # HTML wins over a text that comes with it (OpenAPI: text is then discarded); ours is made from the HTML.
            text="" if content.html else content.text or "",
            amp=content.amp_html or "",
            language=content.template_language_version,
            defaults=content.default_placeholders or {},
            headers=headers,
            attachments=(*self._files(content, path), *(open_attachments(version.template) if version else ())),
            masking=tuple(_masking(entry) for entry in message.placeholders_masking),
            track_opens=tracking.track if tracking.track_opens is None else tracking.track_opens,
            track_clicks=tracking.track if tracking.track_clicks is None else tracking.track_clicks,
            pixel_at_top=tracking.tracking_pixel_position == "TOP",
            landing_placeholders=landing,
        )

    def _sender(
        self, message: schemas.Message, version: TemplateVersion | None, path: str
    ) -> tuple[str, Address | None]:
        given = message.sender or (version.template.sender if version is not None else "")
        if not given or not given.strip():
            self._note(f"{path}.sender", "must not be blank")
            return "", None
        found = self._try(f"{path}.sender", lambda: addresses.read_mailbox(given), None)
        if found is None:
            return "", None
        name, address = found
        if "@" in name and name.strip().rpartition("@")[2].rstrip('>"').lower() != address.domain:
            # A name that reads like somebody else's address (evil input 11).
            self._note(f"{path}.sender", "must not have another address as its display name")
        return name, address

    def _check_texts(self, content: schemas.Content, version: TemplateVersion | None, path: str) -> None:
        if version is not None:
            return
        if not content.subject or not content.subject.strip():
            self._note(f"{path}.content.subject", "must not be blank")
        if not (content.html or content.text):
            self._note(f"{path}.content", "must have html, text or templateId")
        if content.amp_html and not content.html:
            self._note(f"{path}.content.ampHtml", "needs html beside it")

    def _version(self, content: schemas.Content, path: str) -> TemplateVersion | None:
        if content.template_id is None:
            return None
        number = content.template_id
        return self._try(f"{path}.content.templateId", lambda: _find_version(self._account, number), None)

    def _group(self, entry: schemas.Destination, version: TemplateVersion | None, path: str) -> Group | None:
        to, cc, bcc = (
            self._addressees(some, f"{path}.{name}")
            for name, some in (("to", entry.to), ("cc", entry.cc), ("bcc", entry.bcc))
        )
        if not entry.to:
            self._note(f"{path}.to", "must not be empty")
        reply_to = version.template.reply_to if version is not None else ""
        if entry.reply_to:
            given = entry.reply_to
            found = self._try(f"{path}.replyTo", lambda: addresses.read_mailbox(given), None)
            reply_to = found[1].mailbox if found else ""
        if not (to or cc or bcc):
            return None
        return Group(to, cc, bcc, reply_to=reply_to, together=bool(entry.preserve_recipients))

    def _addressees(self, some: Sequence[schemas.Recipient], path: str) -> tuple[Addressee, ...]:
        found = []
        for place, entry in enumerate(some):
            try:
                name, address = addresses.read_mailbox(entry.destination)
            except AddressError as error:
                if error.code == "address.name-unsafe" or not entry.destination.isprintable():
                    self._note(f"{path}[{place}].destination", "must be a plain address without line breaks")
                else:
                    self._malformed.append(Malformed(entry.destination[:320], entry.message_id or ""))
                continue
            found.append(Addressee(address, name, entry.placeholders or {}, entry.message_id or ""))
        return tuple(found)

    def _files(self, content: schemas.Content, path: str) -> tuple[Attachment, ...]:
        kinds = (("attachments", content.attachments, False), ("inlineImages", content.inline_images, True))
        return tuple(
            found
            for kind, files, inline in kinds
            for place, file in enumerate(files)
            if (found := self._file(file, f"{path}.content.{kind}[{place}]", inline=inline)) is not None
        )

    def _file(self, file: schemas.File, path: str, *, inline: bool) -> Attachment | None:
        if file.password:
            self._note(f"{path}.password", "is not supported here")
        if file.type == "uploadedReference":
            name = file.content_id or ""
            return self._try(f"{path}.contentId", lambda: _open_upload(self._account, name, inline=inline), None)
        if not file.file_name or not file.file_name.strip():
            self._note(f"{path}.fileName", "must not be blank")
            return None
        try:
            data = base64.b64decode("".join((file.content or "").split()), validate=True)
        except (binascii.Error, ValueError):
            self._note(f"{path}.content", "must be base64")
            return None
        if not data:
            self._note(f"{path}.content", "must not be blank")
            return None
        kind = file.content_type or "application/octet-stream"
        return Attachment(file.file_name, kind, data, content_id=file.file_name if inline else "")

    def _week(self, window: schemas.DeliveryTimeWindow | None, path: str) -> WeekWindow | None:
        if window is None:
            return None
        days = tuple(sorted({_DAYS.index(day) for day in window.days}))
        if (window.from_ is None) != (window.to is None):
            self._note(path, "must have both from and to, or neither")
            return None
        if window.from_ is None or window.to is None:
            return WeekWindow(days)
        start, end = (time(clock.hour, clock.minute) for clock in (window.from_, window.to))
        length = timedelta(hours=end.hour - start.hour, minutes=end.minute - start.minute) % timedelta(days=1)
        if length < _HOUR:
            self._note(path, "must be at least one hour long")
            return None
        return WeekWindow(days, start, end)

    def _check_url(self, url: str | None, path: str) -> None:
        """Where a caller wants to be told: nobody has us call our own network (evil input 26)."""
        if url:
            self._try(path, lambda: check_public_url(url), "")

    def _try(self, path: str, read: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return read()
        except CampaignError as error:
            self._note(path, error.safe_text)
            return otherwise

    def _note(self, path: str, text: str) -> None:
        self._violations.append(Violation(path, text))


def _validity(period: schemas.ValidityPeriod | None) -> timedelta:
    return _LONGEST if period is None else min(period.amount * _UNIT[period.time_unit], _LONGEST)


def _webhook(given: schemas.Webhooks, tracking: schemas.Tracking) -> Webhook:
    delivery = given.delivery or schemas.Delivery()
    return Webhook(
        delivery_url=delivery.url or "",
        tracking_url=tracking.tracking_url or "",
        content_type=given.content_type,
        intermediate=delivery.intermediate_report,
        notify=delivery.notify is not False,
        callback_data=given.callback_data or "",
    )


def _skips(given: schemas.Storage) -> Skips:
    return Skips(active=bool(given.skip_active), archive=bool(given.skip_passive))


def _masking(given: schemas.Masking) -> Masking:
    return Masking(
        name=given.name,
        side=given.side,
        mask=given.mask_char,
        visible=given.visible_chars,
        delimiter=given.delimiter or "",
        skipped=tuple(given.skip_chars),
    )


def check_time(send_at: datetime | None, *, now: datetime, most_days: int, path: str) -> datetime:
    """When to send: now for a time that has passed or none; raises Refused for one too far ahead."""
    if send_at is None or send_at <= now:
        return now
    if send_at > now + timedelta(days=most_days):
        raise Refused(Violation(path, f"must be at most {most_days} days ahead"))
    return send_at


def _find_version(account: Account, number: str) -> TemplateVersion:
    try:
        version = (
            access_template_by_number(account, int(number)).latest if number.isascii() and number.isdigit() else None
        )
    except NotFound:
        version = None
    if version is None:
        raise CampaignError("template.not-found", "must be the id of a template of this account")
    return version


def _open_upload(account: Account, name: str, *, inline: bool) -> Attachment:
    try:
        upload = access_upload(account, name)
    except NotFound:
        raise CampaignError("content.not-found", "must be the id of an uploaded content") from None
    found = uploads.open_upload(upload, now=timezone.now())
    return replace(found, content_id=name) if inline else found
