"""POST /email/1/content: a file uploaded once, to be attached to mails of the next days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router

from campaigns.api.allow import Allow, account_of
from campaigns.api.envelopes import Violation
from campaigns.api.schemas import OLDER, Wire
from campaigns.api.shapes import as_violations
from campaigns.api.translate import Refused
from campaigns.content import uploads

router = Router(tags=["Content"])

_ID, _TYPE, _VALIDITY = "X-Content-Id", "X-Media-Type", "X-Validity-Period-Minutes"
_NAME_LENGTH, _TYPE_LENGTH = 255, 127
_PLACES = {"content.empty": "requestBody", "content.validity-invalid": _VALIDITY}


def _header(name: str, about: str, *, required: bool = True, kind: str = "string") -> dict[str, Any]:
    return {"in": "header", "name": name, "required": required, "schema": {"type": kind}, "description": about}


_DESCRIBED = {
    "parameters": [
        _header(_ID, "The name of the file, which mails show."),
        _header(_TYPE, "Its media type."),
        _header(_VALIDITY, "How long it is kept: 1440 (as long as nothing is said) to 10080.", required=False),
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
}


class UploadedOut(Wire):
    """What a mail names the file by: `contentId` of an `uploadedReference`."""

    uploaded_content_id: str


@router.post(
    "/1/content",
    response={200: UploadedOut, **OLDER},
    auth=Allow("content.upload", "message:send", "email:message:send"),
    operation_id="upload_content",
    summary="Upload a file for later mails",
    by_alias=True,
    openapi_extra=_DESCRIBED,
)
def upload_content(request: HttpRequest) -> UploadedOut:
    name, kind, minutes = _read_headers(request)
    with as_violations(_PLACES):
        upload = uploads.keep_upload(
            account_of(request),
            name=name,
            media_type=kind,
            data=request.body,
            valid_for=timedelta(minutes=minutes),
            now=timezone.now(),
        )
    return UploadedOut(uploaded_content_id=upload.public_id.hex)


def _read_headers(request: HttpRequest) -> tuple[str, str, int]:
    name, kind = request.headers.get(_ID, "").strip(), request.headers.get(_TYPE, "").strip()
    minutes = request.headers.get(_VALIDITY, "1440").strip()
    faults = [
        Violation(header, f"must be printable text of 1 to {most} characters")
        for header, text, most in ((_ID, name, _NAME_LENGTH), (_TYPE, kind, _TYPE_LENGTH))
        if not 0 < len(text) <= most or not text.isprintable()
    ]
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) < 10):
        faults.append(Violation(_VALIDITY, "must be a whole number"))
    if faults:
        raise Refused(*faults)
    return name, kind, int(minutes)
