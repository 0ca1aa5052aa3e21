"""Doors of the HIPAA lane: what they take must reach the receiver, and nothing else may know it."""

from __future__ import annotations

import contextlib
import json
import smtplib
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.test import Client

from campaigns.models import Lane
from campaigns.outbox.dispatch import dispatch_stream
from campaigns.smtp.certificates import make_self_signed
from campaigns.smtp.protocol import Entrance
from compliance.sweep.doors import door, sender_of
from compliance.sweep.smtp import listening
from compliance.sweep.stage import HIPAA_HOST, Stage


def accept_protected(stage: Stage) -> None:
    """One mail with the canary in a recipient's values, taken in and waiting."""
    values = {"name": stage.canary.name, "news": stage.canary.word}
    to = {"destination": stage.canary.address, "placeholders": values}
    content = {"subject": "A message from your clinic", "html": "<p>Dear {{name}}, {{news}}</p>"}
    message = {"sender": sender_of(stage.clinic), "destinations": [{"to": [to]}], "content": content}
    answer = _call(stage, {"messages": [message]})
    assert answer.status_code == 200, answer.content


@door("HIPAA endpoint", delivers=True)
def _endpoint(stage: Stage) -> None:
    """A relay that quotes the mail in its refusal, then one that takes it; and everything the endpoint refuses."""
    values = {"name": stage.canary.name, "news": stage.canary.word}
    to = {"destination": stage.canary.address, "placeholders": values}
    content = {"subject": "A message from your clinic", "html": "<p>Dear {{name}}, {{news}}</p>"}
    message: dict[str, Any] = {"sender": sender_of(stage.clinic), "destinations": [{"to": [to]}], "content": content}
    for refuses in (True, False):
        stage.receiver.refuses = refuses
        answer = _call(stage, {"messages": [message]})
        assert answer.status_code == 200, answer.content
        _dispatch(stage)
    word = stage.canary.word
    for wrong in (
        message | {"webhooks": {"callbackData": word}},
        message | {"content": content | {"subject": f"For {stage.canary.name}, MRN 00482913"}},
        message | {word: word},
        message | {"destinations": [{"to": [to | {"messageId": word}]}]},
        message | {"options": {"campaignReferenceId": word}},
        message | {"content": content | {"headers": {"X-Who": word}}},
    ):
        stage.note("endpoint", _call(stage, {"messages": [wrong]}))
    for raw in (f'{{"messages": [{{"{word}', f'"{word}"'):
        stage.note("endpoint broken", _call(stage, raw))
    stage.note("endpoint elsewhere", stage.call("/email/4/messages", {"messages": [message]}, key="hipaa"))


@door("HIPAA listener of the SMTP API", delivers=True)
def _listener(stage: Stage) -> None:
    files = make_self_signed(Path(stage.folder), hostname="localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    trust = ssl.create_default_context(cafile=str(files[0]))
    sender = sender_of(stage.clinic)
    mail = f"From: {sender}\r\nTo: {stage.canary.address}\r\nSubject: A message\r\n{{}}\r\n{stage.canary.word}\r\n"
    entrance = Entrance(Lane.HIPAA, tls=context, is_encrypted=True)
    with listening(entrance) as port, smtplib.SMTP_SSL("localhost", port, context=trust, timeout=10) as client:
        client.login("App", stage.keys["hipaa"])
        client.sendmail(sender, [stage.canary.address], mail.format(""))
        for header in (f"X-IB-callback-data: {stage.canary.word}\r\n", f"Cc: {stage.canary.address}\r\n"):
            with contextlib.suppress(smtplib.SMTPException):
                client.sendmail(sender, [stage.canary.address], mail.format(header))
    _dispatch(stage)


def _call(stage: Stage, body: Any) -> Any:
    data = body if isinstance(body, str) else json.dumps(body)
    client = Client(raise_request_exception=False)
    headers = {"host": HIPAA_HOST, "authorization": f"App {stage.keys['hipaa']}"}
    return client.generic("POST", "/email/4/messages", data, "application/json", headers=headers, secure=True)


def _dispatch(stage: Stage) -> None:
    dispatch_stream(stage.clinic.transports.get().pk, linger=timedelta(0))
