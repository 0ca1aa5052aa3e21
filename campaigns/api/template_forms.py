"""Bodies of template operations: forms, with attachments as JSON in one of their parts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from campaigns.api.envelopes import Violation
from campaigns.api.schemas import ObjectText
from campaigns.api.shapes import Line
from campaigns.api.translate import Refused, list_violations
from campaigns.content.letter import Attachment
from campaigns.content.templates import TemplateFields


def _check_text(text: str) -> str:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("must be text without control characters")
    return text


Text = Annotated[str, AfterValidator(_check_text)]


class TemplateChange(BaseModel):
    """The parts of the form; those left out stay as they are."""

    model_config = ConfigDict(populate_by_name=True)

    name: Annotated[Line, Field(max_length=120)] = ""
    from_: Annotated[Line, Field(alias="from", max_length=400)] = ""
    reply_to: Annotated[Line, Field(alias="replyTo", max_length=254)] = ""
    subject: Annotated[Line, Field(max_length=200)] = ""
    preheader: Annotated[Line, Field(max_length=75)] = ""
    html: Text | None = None
    attachments: Annotated[
        Text, Field(description='A JSON array of {"contentType", "fileName", "data" (base64)}; it replaces all.')
    ] = ""
    landing_page: Annotated[Line, Field(alias="landingPage", max_length=60)] = ""


class NewTemplate(TemplateChange):
    """The parts of the form; those left out are empty."""

    html: Annotated[Text, Field(min_length=1)]


class NewAttachment(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    content_type: Annotated[Line, Field(alias="contentType", min_length=1, max_length=127)]
    file_name: Annotated[Line, Field(alias="fileName", min_length=1, max_length=255)]
    data: Annotated[str, Field(min_length=1, description="base64")]


class Preview(BaseModel):
    placeholders: ObjectText = {}


def read_fields(given: TemplateChange, *, whole: bool) -> TemplateFields:
    """What the form says of a template; with `whole` what it does not say is empty, else it stays."""
    said = {
        "name": given.name,
        "sender": given.from_,
        "reply_to": given.reply_to,
        "subject": given.subject,
        "preheader": given.preheader,
        "html": given.html,
        "landing_page": given.landing_page,
    }
    names = {"from_": "sender"}
    given_names = {names.get(name, name) for name in given.model_fields_set}
    return TemplateFields(**{name: value for name, value in said.items() if whole or name in given_names})


_ATTACHMENTS = TypeAdapter(list[NewAttachment])


def read_attachments(text: str) -> Sequence[Attachment]:
    """The files in a JSON array; raises Refused with the paths of all faults."""
    if not text.strip():
        return ()
    try:
        found = _ATTACHMENTS.validate_json(text)
    except ValidationError as error:
        faults = list_violations([_inside(fault) for fault in error.errors(include_url=False, include_input=False)])
        raise Refused(*faults) from None
    return [read_attachment(entry, f"attachments[{place}].data") for place, entry in enumerate(found)]


def _inside(fault: Any) -> dict[str, Any]:
    return {**fault, "loc": ("attachments", *fault["loc"])}


def read_attachment(given: NewAttachment, path: str) -> Attachment:
    """The file, its data at this path of the request; raises Refused."""
    try:
        data = base64.b64decode("".join(given.data.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(Violation(path, "must be base64")) from None
    return Attachment(given.file_name, given.content_type, data)
