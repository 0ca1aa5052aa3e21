"""AWS Signature Version 4 for the JSON calls of KMS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. One POST to `/` without a
query: the general canonical form shrinks to these few lines.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"
_CONTENT_TYPE = "application/x-amz-json-1.1"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks; never printed."""

    key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    region: str
    service: str = "kms"


def sign(credentials: Credentials, *, url: str, action: str, content: object, now: datetime) -> dict[str, str]:
    """The headers of a call `TrentService.action` with this JSON content, as Service.ask encodes it."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": _CONTENT_TYPE,
        "host": urlsplit(url).netloc,
        "x-amz-date": stamp,
        "x-amz-target": f"TrentService.{action}",
    }
    if credentials.session_token:
        headers["x-amz-security-token"] = credentials.session_token
    body = json.dumps(content).encode()
    return headers | {"authorization": _authorize(credentials, headers=headers, body=body, stamp=stamp)}


def _authorize(credentials: Credentials, *, headers: dict[str, str], body: bytes, stamp: str) -> str:
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{credentials.region}/{credentials.service}/aws4_request"
    text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(_signing_key(credentials, scope), text.encode(), hashlib.sha256).hexdigest()
    return f"{_ALGORITHM} Credential={credentials.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


def _signing_key(credentials: Credentials, scope: str) -> bytes:
    key = b"AWS4" + credentials.secret.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return key
