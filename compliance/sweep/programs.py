"""Doors of programs: the HTTP API and SMTP, for accounts under an agreement and for ordinary ones."""

from __future__ import annotations

import base64
import contextlib
import smtplib
from datetime import timedelta

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from campaigns.models import Message
from campaigns.outbox.dispatch import dispatch_stream
from campaigns.smtp.protocol import Entrance
from compliance.sweep.doors import door, make_message, make_mime, sender_of
from compliance.sweep.smtp import listening
from compliance.sweep.stage import Stage


@door("Email API, account under an agreement")
def _closed_api(stage: Stage) -> None:
    message = make_message(stage, stage.clinic)
    everything = message | {"webhooks": {"callbackData": stage.canary.name}, stage.canary.word: stage.canary.word}
    for where, body in (
        ("right", {"messages": [message]}),
        ("everything", {"messages": [everything], "options": {"campaignReferenceId": stage.canary.word}}),
        ("broken", f'{{"messages": [{{"{stage.canary.word}'),
    ):
        stage.note(f"api {where}", stage.call("/email/4/messages", body, key="clinic"))
    form = {
        "from": stage.canary.address,
        "to": stage.canary.address,
        "subject": stage.canary.name,
        "html": stage.canary.name,
    }
    # Large enough for Django to write it to a file, were it read at all.
    file = SimpleUploadedFile(f"{stage.canary.word}.pdf", b"%PDF " + stage.canary.word.encode() * 120_000)
    headers = {"authorization": f"App {stage.keys['clinic']}"}
    client = Client(raise_request_exception=False)
    stage.note("api form", client.post("/email/3/send", form | {"attachment": file}, headers=headers))
    stage.note("api mime", stage.call("/email/4/mime", {"mimeMessage": make_mime(stage)}, key="clinic"))


@door("Email API, ordinary account", delivers=True)
def _open_api(stage: Stage) -> None:
    """The content of ordinary mail is sealed while it waits, too; its recipients are ordinary."""
    to = {"destination": "ordinary@example.com", "placeholders": {"name": stage.canary.name}}
    content = {
        "subject": "Hello {{name}}", "text": f"Dear {{{{name}}}}, {stage.canary.word}",
        "attachments": [{"content": base64.b64encode(stage.canary.word.encode()).decode(), "fileName": "letter.txt"}],
    }  # fmt: skip
    message = {"sender": sender_of(stage.shop), "destinations": [{"to": [to]}], "content": content}
    for refuses in (True, False):
        # A relay that quotes the mail in its refusal, then one that takes it.
        stage.receiver.refuses = refuses
        stage.note("api send", stage.call("/email/4/messages", {"messages": [message]}, key="shop"))
        streams = Message.objects.filter(state="queued", stream__isnull=False).values_list("stream", flat=True)
        for pk in {pk for pk in streams if pk is not None}:
            dispatch_stream(pk, linger=timedelta(0))


@door("SMTP API, account under an agreement")
def _closed_smtp(stage: Stage) -> None:
    """Refused before the mail; a client that sends it all the same finds nobody listening."""
    with listening() as port, smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.ehlo()
        with contextlib.suppress(smtplib.SMTPException):
            client.login("App", stage.keys["clinic"])
        _say_mail(stage, client, to=stage.canary.address)


@door("Mail from other servers, for an account under an agreement")
def _inbound(stage: Stage) -> None:
    """Nothing is taken in for it, whatever the address at its domain."""
    entrance = Entrance(is_inbound=True, may_be_plain=True)
    with listening(entrance) as port, smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.ehlo()
        _say_mail(stage, client, to=f"{stage.canary.word}@{sender_of(stage.clinic).partition('@')[2]}")


def _say_mail(stage: Stage, client: smtplib.SMTP, *, to: str) -> None:
    for line in (
        f"MAIL FROM:<{stage.canary.address}>",
        f"RCPT TO:<{to}>",
        "DATA",
        stage.canary.name,
        ".",
    ):
        with contextlib.suppress(smtplib.SMTPException):
            code, text = client.docmd(line)
            stage.ears.answers.append((f"smtp {code}", text))
