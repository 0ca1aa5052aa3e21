"""Bodies of the sending operations, as Infobip's clients write them (infobip.md §1.1, §7.2)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator
from pydantic.alias_generators import to_camel

from campaigns.api.wire import read_object, read_time


class Wire(BaseModel):
    """A part of a body: camelCase on the wire; what we do not know is ignored, as clients of all ages expect."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class Given(Wire):
    """What a caller sends: every text in it is one that databases and logs can hold."""

    @field_validator("*", mode="before")
    @classmethod
    def _check_texts(cls, value: Any) -> Any:
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and not _is_storable(text):
                raise ValueError("must be text without NUL and half characters")
        return value


def _is_storable(text: str) -> bool:
    if "\0" in text:
        return False
    try:
        # A lone surrogate, which JSON can write and UTF-8 cannot.
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _read_moment(value: Any) -> Any:
    return read_time(value) if isinstance(value, str) else value


def _read_upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


_OBJECT = {"type": "string", "description": "A JSON object, as text.", "examples": ['{"name": "Ada"}']}
_MOMENT = {"type": "string", "format": "date-time", "examples": ["2027-01-31T09:00:00.000Z"]}
ObjectText = Annotated[dict[str, Any], BeforeValidator(read_object), WithJsonSchema(_OBJECT)]
"""A JSON object written as text; one that is not text will do."""
Moment = Annotated[datetime, BeforeValidator(_read_moment), WithJsonSchema(_MOMENT)]
"""A time in any of the three forms."""

MessageId = Annotated[str, Field(max_length=200)]
Name255 = Annotated[str, Field(max_length=255)]
Url = Annotated[str, Field(max_length=2048)]
Priority = Annotated[Literal["HIGH", "STANDARD", "LOW"], BeforeValidator(_read_upper)]
TimeUnit = Annotated[Literal["SECONDS", "MINUTES", "HOURS"], BeforeValidator(_read_upper)]
PixelPosition = Annotated[Literal["TOP", "BOTTOM"], BeforeValidator(_read_upper)]
Day = Annotated[
    Literal["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"], BeforeValidator(_read_upper)
]
Language = Annotated[Literal["1", "2"], BeforeValidator(lambda value: str(value).strip())]


class Recipient(Given):
    """One address; its placeholders win over the defaults."""

    destination: Annotated[str, Field(min_length=1, max_length=1000, examples=["ann@example.com"])]
    message_id: MessageId | None = None
    placeholders: ObjectText | None = None


class Destination(Given):
    """A group of recipients; with `preserveRecipients` everybody in `to` sees the others and shares one id."""

    to: list[Recipient] = []
    cc: list[Recipient] = []
    bcc: list[Recipient] = []
    reply_to: Annotated[str, Field(max_length=1000)] | None = None
    preserve_recipients: bool | None = None


class File(Given):
    """A file in the request, or one uploaded before."""

    type: Literal["binary", "uploadedReference"] = "binary"
    content: str | None = None
    content_type: Annotated[str, Field(max_length=127)] | None = None
    file_name: Annotated[str, Field(max_length=255)] | None = None
    content_id: Annotated[str, Field(max_length=200)] | None = None
    password: str | None = None


class Content(Given):
    """What the mail says; a template takes the place of html and text."""

    subject: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    template_id: (
        Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)] | None
    ) = None
    attachments: Annotated[list[File], Field(max_length=100, default_factory=list)]
    inline_images: Annotated[list[File], Field(max_length=100, default_factory=list)]
    default_placeholders: ObjectText | None = None
    landing_page_placeholders: ObjectText | None = None
    optout_landing_page_id: Name255 | None = None
    template_language_version: Language = "1"
    headers: ObjectText | None = None


class Platform(Given):
    entity_id: Name255 | None = None
    application_id: Name255 | None = None


class ValidityPeriod(Given):
    """How long a mail may be tried; more than 48 hours is 48 hours."""

    amount: Annotated[int, Field(ge=1, le=10_000_000)]
    time_unit: TimeUnit = "MINUTES"


class Clock(Given):
    hour: Annotated[int, Field(ge=0, le=23)]
    minute: Annotated[int, Field(ge=0, le=59)] = 0


class DeliveryTimeWindow(Given):
    """Days and hours, in UTC, in which mail may leave."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    from_: Annotated[Clock | None, Field(alias="from")] = None
    to: Clock | None = None


class MessageOptions(Given):
    platform: Platform | None = None
    validity_period: ValidityPeriod | None = None
    delivery_time_window: DeliveryTimeWindow | None = None
    campaign_reference_id: Name255 | None = None


class Delivery(Given):
    url: Url | None = None
    intermediate_report: bool = False
    notify: bool | None = None


class Webhooks(Given):
    delivery: Delivery | None = None
    content_type: Literal["application/json", "application/xml"] = "application/json"
    callback_data: Annotated[str, Field(max_length=4000)] | None = None


class Ips(Given):
    ip_pool_id: Name255 | None = None


class Masking(Given):
    """How one placeholder is hidden in the mail."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    side: Annotated[Literal["L", "R"], BeforeValidator(_read_upper)] = "L"
    mask_char: Annotated[str, Field(min_length=1, max_length=1)] = "*"
    visible_chars: Annotated[int, Field(ge=0, le=10_000)] = 0
    delimiter: Annotated[str, Field(max_length=10)] | None = None
    skip_chars: list[Annotated[str, Field(min_length=1, max_length=1)]] = []


class Storage(Given):
    skip_passive: bool | None = None
    skip_active: bool | None = None


class Message(Given):
    """One content for one or more groups of recipients."""

    sender: Annotated[str, Field(max_length=1000, examples=["Shop <shop@example.org>"])] | None = None
    destinations: Annotated[list[Destination], Field(min_length=1, max_length=1000)]
    content: Content
    options: MessageOptions = Field(default_factory=MessageOptions)
    webhooks: Webhooks = Field(default_factory=Webhooks)
    ips: Ips = Field(default_factory=Ips)
    placeholders_masking: Annotated[list[Masking], Field(max_length=100, default_factory=list)]
    storage: Storage | None = None


class Schedule(Given):
    bulk_id: Annotated[str, Field(max_length=100)] | None = None
    send_at: Moment | None = None


class Tracking(Given):
    track: bool | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    tracking_url: Url | None = None
    tracking_pixel_position: PixelPosition = "TOP"


class RequestOptions(Given):
    schedule: Schedule = Field(default_factory=Schedule)
    tracking: Tracking = Field(default_factory=Tracking)
    client_priority: Priority = "STANDARD"


class EmailRequest(Given):
    """One request: up to 1,000 recipients, counted over to, cc and bcc of all messages."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=1000)]
    options: RequestOptions = Field(default_factory=RequestOptions)


class StatusOut(Wire):
    group_id: int
    group_name: str
    id: int
    name: str
    description: str


class AcceptedOut(Wire):
    """One mail that was taken; the key of the address is `destination` here and `to` in the older operations."""

    message_id: str
    status: StatusOut
    destination: str


class EmailResponse(Wire):
    bulk_id: str | None = None
    messages: list[AcceptedOut]


class AcceptedToOut(Wire):
    to: str
    message_id: str
    status: StatusOut


class SendResponse(Wire):
    """What the older sending operations answer."""

    bulk_id: str | None = None
    messages: list[AcceptedToOut]


class ViolationOut(Wire):
    property: str
    violation: str


class ResourceOut(Wire):
    name: str
    url: str


class ApiError(Wire):
    """The newer family of refusals."""

    error_code: str
    description: str
    action: str
    violations: list[ViolationOut]
    resources: list[ResourceOut]


class ServiceException(Wire):
    message_id: str
    text: str
    validation_errors: dict[str, list[str]] | None = None


class RequestError(Wire):
    service_exception: ServiceException


class ApiException(Wire):
    """The older family of refusals."""

    request_error: RequestError


IDEMPOTENCY, IDEMPOTENCY_META = "Idempotency-Key", "HTTP_IDEMPOTENCY_KEY"
IDEMPOTENCY_PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": IDEMPOTENCY,
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "Any text of yours that is new for each request. Repeated within 48 hours with the same body, the answer "
    "is the first one and nothing is sent twice; with another body it is a 409.",
}

NEWER: dict[Any, Any] = dict.fromkeys((400, 401, 403, 404, 409, 413, 415, 429, 500), ApiError)
OLDER: dict[Any, Any] = dict.fromkeys((400, 401, 403, 404, 409, 413, 415, 429, 500), ApiException)
