"""The form of POST /email/3/send, read into the body of its successor (infobip.md §1.2, §7.3)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import Field, ValidationError

from campaigns.api import schemas
from campaigns.api.envelopes import Violation
from campaigns.api.forms import Flag, Form, FormFile, describe_form, fill
from campaigns.api.schemas import (
    Given,
    Language,
    MessageId,
    Moment,
    Name255,
    ObjectText,
    PixelPosition,
    Priority,
    Url,
)
from campaigns.api.translate import Refused, list_violations
from campaigns.filetypes import usual_extension


class SendForm(Given):
    """Every part but the files; repeated parts are lists."""

    from_: Annotated[str | None, Field(alias="from", max_length=1000)] = None
    to: Annotated[list[str], Field(min_length=1, max_length=1000)]
    cc: list[str] = []
    bcc: list[str] = []
    subject: Annotated[str | None, Field(min_length=1, max_length=1000)] = None
    text: str | None = None
    html: str | None = None
    amp_html: str | None = None
    template_id: str | None = None
    intermediate_report: Flag | None = None
    track: Flag | None = None
    track_clicks: Flag | None = None
    track_opens: Flag | None = None
    tracking_pixel_position: PixelPosition = "TOP"
    preserve_recipients: Flag | None = None
    tracking_url: Url | None = None
    notify_url: Url | None = None
    notify_content_type: str | None = None
    callback_data: Annotated[str | None, Field(max_length=4000)] = None
    bulk_id: Annotated[str | None, Field(max_length=100)] = None
    message_id: MessageId | None = None
    campaign_reference_id: Name255 | None = None
    reply_to: Annotated[str | None, Field(max_length=1000)] = None
    default_placeholders: ObjectText | None = None
    landing_page_placeholders: ObjectText | None = None
    headers: ObjectText | None = None
    send_at: Moment | None = None
    landing_page_id: Name255 | None = None
    template_language_version: Language = "1"
    client_priority: Priority = "STANDARD"
    application_id: Name255 | None = None
    entity_id: Name255 | None = None
    ip_pool_id: Name255 | None = None
    skip_passive_storage: Flag | None = None
    skip_active_storage: Flag | None = None


DESCRIPTION = describe_form(SendForm, files=("attachment", "inlineImage"))

# Where the parts of the form went in the body that is made of them.
_PATHS: tuple[tuple[str, str], ...] = (
    (r"messages\[0\]\.sender", "from"),
    (r"messages\[0\]\.destinations\[0\]\.(to|cc|bcc)\[(\d+)\].*", r"\1[\2]"),
    (r"messages\[0\]\.destinations\[0\]\.(to|replyTo)", r"\1"),
    (r"messages\[0\]\.content\.attachments\[(\d+)\].*", r"attachment[\1]"),
    (r"messages\[0\]\.content\.inlineImages\[(\d+)\].*", r"inlineImage[\1]"),
    (r"messages\[0\]\.content\.optoutLandingPageId", "landingPageId"),
    (r"messages\[0\]\.content\.(\w+)", r"\1"),
    (r"messages\[0\]\.content", "text"),
    (r"messages\[0\]\.webhooks\.callbackData", "callbackData"),
    (r"messages\[0\]\.webhooks\.delivery\.url", "notifyUrl"),
    (r"options\.tracking\.trackingUrl", "trackingUrl"),
)


def read_request(form: Form) -> schemas.EmailRequest:
    """The body that says the same; raises Refused with the names of parts at fault."""
    given = fill(SendForm, form)
    names = ("to", "cc", "bcc")
    groups = {
        name: [_recipient(text, f"{name}[{place}]") for place, text in enumerate(getattr(given, name))]
        for name in names
    }
    if given.message_id and groups["to"]:
        # One id for several recipients is undefined; it is the first one's.
        groups["to"][0].setdefault("messageId", given.message_id)
    body = {
        "messages": [
            {
                "sender": given.from_,
                "destinations": [
                    {**groups, "replyTo": given.reply_to, "preserveRecipients": given.preserve_recipients}
                ],
                "content": _content(given, form),
                "options": {
                    "campaignReferenceId": given.campaign_reference_id,
                    "platform": {"entityId": given.entity_id, "applicationId": given.application_id},
                },
                "webhooks": _webhooks(given),
                "ips": {"ipPoolId": given.ip_pool_id},
                "storage": {"skipActive": given.skip_active_storage, "skipPassive": given.skip_passive_storage},
            }
        ],
        "options": {
            "schedule": {"bulkId": given.bulk_id, "sendAt": given.send_at},
            "tracking": {
                "track": given.track,
                "trackOpens": given.track_opens,
                "trackClicks": given.track_clicks,
                "trackingUrl": given.tracking_url,
                "trackingPixelPosition": given.tracking_pixel_position,
            },
            "clientPriority": given.client_priority,
        },
    }
    try:
        return schemas.EmailRequest.model_validate(body)
    except ValidationError as error:
        found = list_violations(error.errors(include_url=False, include_input=False))
        raise Refused(*(_as_part(violation) for violation in found)) from None


def _content(given: SendForm, form: Form) -> dict[str, Any]:
    return {
        "subject": given.subject,
        "text": given.text,
        "html": given.html,
        "ampHtml": given.amp_html,
        "templateId": given.template_id,
        "attachments": [_file(file, "attachment") for file in form.files("attachment")],
        "inlineImages": [_file(file, "inlineImage") for file in form.files("inlineImage")],
        "defaultPlaceholders": given.default_placeholders,
        "landingPagePlaceholders": given.landing_page_placeholders,
        "optoutLandingPageId": given.landing_page_id,
        "templateLanguageVersion": given.template_language_version,
        "headers": given.headers,
    }


def _file(file: FormFile, part: str) -> dict[str, str]:
    # An official client names bytes it was given without a name after the part (infobip.md §7.3).
    name = f"{part}{usual_extension(file.data)}" if file.name == part else file.name
    return {
        "content": base64.b64encode(file.data).decode("ascii"),
        "contentType": file.media_type,
        "fileName": name,
    }


def _webhooks(given: SendForm) -> dict[str, Any]:
    kind = (given.notify_content_type or "").lower()
    return {
        "delivery": {"url": given.notify_url, "intermediateReport": bool(given.intermediate_report)},
        "contentType": "application/xml" if "xml" in kind else "application/json",
        "callbackData": given.callback_data,
    }


def _recipient(text: str, path: str) -> dict[str, Any]:
    """An address, or JSON text such as `{"to": "ann@example.com", "placeholders": {"name": "Ann"}}`."""
    if not text.lstrip().startswith("{"):
        return {"destination": text}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused(Violation(path, "must be an address or a JSON object")) from None
    if not isinstance(given, dict) or not isinstance(given.get("to"), str):
        raise Refused(Violation(path, "must name the address as `to`"))
    return {
        "destination": given["to"],
        **({"messageId": given["messageId"]} if given.get("messageId") is not None else {}),
        **({"placeholders": given["placeholders"]} if given.get("placeholders") is not None else {}),
    }


@contextmanager
def paths_of_form() -> Iterator[None]:
    """Faults found in the body are told by the names of the form's parts."""
    try:
        yield
    except Refused as refused:
        raise Refused(*(_as_part(violation) for violation in refused.violations)) from None


def _as_part(violation: Violation) -> Violation:
    for pattern, part in _PATHS:
        if re.fullmatch(pattern, violation.property):
            return Violation(re.sub(pattern, part, violation.property), violation.text)
    return violation
