"""How a receiver knows that a call is ours, fresh and unchanged (infobip.md §2.6, standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from standardwebhooks import Webhook

from campaigns.models import WebhookSecurity

ALGORITHMS = {"SHA_256": hashlib.sha256, "SHA_384": hashlib.sha384, "SHA_512": hashlib.sha512}
HMAC_HEADER = "X-Sealpost-Signature"
_STANDARD_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """What an endpoint's calls are signed with; more than one secret while an old one still counts, newest first."""

    security: WebhookSecurity = WebhookSecurity.NONE
    secrets: tuple[str, ...] = ()
    algorithm: str = "SHA_256"
    username: str = ""
    password: str = ""


def make_secret(security: WebhookSecurity) -> str:
    """A new secret of 32 random bytes, as the receiver's library wants it."""
    if security == WebhookSecurity.STANDARD:
        return _STANDARD_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")
    return secrets.token_urlsafe(32)


def sign(signer: Signer, *, call_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a call: its id, its time, and what the endpoint knows us by."""
    stamp = str(int(now.timestamp()))
    headers = {"webhook-id": call_id, "webhook-timestamp": stamp}
    match signer.security:
        case WebhookSecurity.STANDARD:
            found = [_sign_standard(secret, call_id=call_id, body=body, now=now) for secret in signer.secrets]
            headers["webhook-signature"] = " ".join(found)
        case WebhookSecurity.HMAC:
            signed = stamp.encode("ascii") + b"." + body
            digests = [
                hmac.new(secret.encode(), signed, ALGORITHMS[signer.algorithm]).hexdigest() for secret in signer.secrets
            ]
            headers[HMAC_HEADER] = ",".join([f"t={stamp}", *(f"v1={digest}" for digest in digests)])
        case WebhookSecurity.BASIC:
            pair = f"{signer.username}:{signer.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode('ascii')}"
    return headers


def _sign_standard(secret: str, *, call_id: str, body: bytes, now: datetime) -> str:
    """`v1,…`; the library signs texts only, and a form with files is none: there the same is signed over the bytes."""
    try:
        # The library takes the clock of a moment for UTC.
        signature: str = Webhook(secret).sign(call_id, now.astimezone(UTC), body.decode("utf-8"))
    except UnicodeDecodeError:
        key = base64.b64decode(secret.removeprefix(_STANDARD_PREFIX))
        signed = f"{call_id}.{int(now.timestamp())}.".encode() + body
        return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii")
    return signature
