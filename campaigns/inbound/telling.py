"""Handing mail that came in to a program of the customer: Infobip's form, in a signed call (infobip.md §2.3)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from campaigns.inbound.letters import File, Letter, read_letter
from campaigns.inbound.reception import Envelope, open_envelope, open_field, open_raw
from campaigns.models import EndpointState, InboundMail, InboundRoute, WebhookDelivery, WebhookEndpoint, WebhookKind
from campaigns.webhooks import bell
from campaigns.webhooks.deliver import Call
from campaigns.webhooks.endpoints import read_config
from campaigns.webhooks.signing import Signer
from compliance import vault

_MOST_FILES = 999


def tell_route(mail: InboundMail, route: InboundRoute, *, now: datetime) -> str:
    """Write down that the route's webhook is to get this mail; the outcome's code. Call it in a transaction."""
    endpoint = route.endpoint
    if endpoint is None or endpoint.state == EndpointState.OFF:
        return "no-endpoint"
    delivery = WebhookDelivery(
        endpoint=endpoint, about=mail.pk, kind=WebhookKind.INBOUND, next_attempt_at=now, created_at=now
    )
    WebhookDelivery.objects.bulk_create([delivery], ignore_conflicts=True)
    bell.ring()
    return "told"


def describe_mail(endpoint: WebhookEndpoint, row: WebhookDelivery, *, url: str, signer: Signer) -> Call | None:
    """The call that hands a mail over; None when it is not kept any more."""
    mail = (
        InboundMail.objects.select_related("account", "raw").filter(pk=row.about, account=endpoint.account_id).first()
    )
    if mail is None:
        return None
    try:
        raw, envelope = open_raw(mail), open_envelope(mail)
        policy = open_field(mail, "head", mail.head_sealed).get("signed_by", "") if mail.head_sealed else ""
    except (LookupError, vault.SealBroken, vault.Shredded):
        return None
    boundary = f"sealpost-{mail.public_id.hex}"
    body = write_form(mail, read_letter(raw), envelope, signed_by=policy, boundary=boundary)
    call_id = str(_call_id(endpoint, mail))
    return Call(endpoint.pk, url, f"multipart/form-data; boundary={boundary}", body, call_id, signer, tag=(row,))


def _call_id(endpoint: WebhookEndpoint, mail: InboundMail) -> UUID:
    return uuid5(endpoint.public_id, f"mail {mail.public_id}")


_SAMPLE = (
    b"From: Somebody <someone@example.com>\r\nTo: you@example.com\r\nSubject: A test of your webhook\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\nThis mail is made up.\r\n'
    b'--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename="test.csv"\r\n\r\na,b\r\n\r\n--b--\r\n'
)


def sample_call(endpoint: WebhookEndpoint, *, now: datetime) -> Call:
    """What an endpoint for mail alone gets when somebody tries it out: made up, in the form of real ones. Raises
    CampaignError.
    """
    config = read_config(endpoint)
    mail = InboundMail(spf="pass", dkim="pass", dmarc="pass")
    envelope = Envelope("someone@example.com", remote="192.0.2.1", rcpt_to="you@example.com")
    boundary = f"sealpost-{uuid4().hex}"
    body = write_form(mail, read_letter(_SAMPLE), envelope, signed_by="example.com", boundary=boundary)
    signer = config.signer(endpoint.security, now=now)
    kind = f"multipart/form-data; boundary={boundary}"
    return Call(endpoint.pk, config.url, kind, body, f"test-{uuid4()}", signer)


def write_form(mail: InboundMail, letter: Letter, envelope: Envelope, *, signed_by: str, boundary: str) -> bytes:
    """The parts of Infobip's form, in its order; `dmarcCheck` is ours."""
    files = letter.files[:_MOST_FILES]
    info = [
        {
            "name": f"attachment{number}",
            "contentType": file.content_type,
            "filename": file.name,
            **({"contentId": file.content_id} if file.content_id else {}),
        }
        for number, file in enumerate(files, 1)
    ]
    headers: dict[str, str] = {}
    for name, value in letter.headers.fields:
        headers.setdefault(name, value)
    fields = {
        "id": str(mail.public_id),
        "spfCheck": mail.spf,
        "dkimCheck": _json({"result": mail.dkim, "domains": signed_by.split()}),
        "dmarcCheck": mail.dmarc,
        "senderIp": envelope.remote,
        "from": _shown(letter, envelope),
        "to": f"[{envelope.rcpt_to}]",
        "subject": letter.subject,
        "html": letter.html,
        "text": letter.text,
        "attachmentInfo": _json(info),
        "envelope": _json({"from": envelope.mail_from, "to": [envelope.rcpt_to]}),
        "headers": _json(headers),
    }
    pieces = [_field(name, value.encode("utf-8", "replace")) for name, value in fields.items()]
    pieces += [_file(f"attachment{number}", file) for number, file in enumerate(files, 1)]
    return _join(pieces, boundary.encode("ascii"))


def _shown(letter: Letter, envelope: Envelope) -> str:
    if not letter.sender.address:
        return envelope.mail_from
    return f"{letter.sender.name} <{letter.sender.address}>" if letter.sender.name else letter.sender.address


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _field(name: str, value: bytes) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n'
    return head.encode("ascii") + value


def _file(name: str, file: File) -> bytes:
    # Percent-encoded as browsers do (RFC 7578 §4.2): a name must not end its own quotes.
    shown = file.name.replace("%", "%25").replace('"', "%22").replace("\r", "").replace("\n", "")
    kind = file.content_type if file.content_type.isascii() and file.content_type.isprintable() else ""
    head = f'Content-Disposition: form-data; name="{name}"; filename="{shown}"\r\nContent-Type: '
    return head.encode() + (kind or "application/octet-stream").encode("ascii") + b"\r\n\r\n" + file.data


def _join(pieces: Sequence[bytes], boundary: bytes) -> bytes:
    """A boundary of our own random id: no mail can hold it, for it was not yet given out when the mail was written."""
    return b"".join(b"--%b\r\n%b\r\n" % (boundary, piece) for piece in pieces) + b"--%b--\r\n" % boundary
