"""POST /email/3/send: the form that older clients send, byte for byte (infobip.md §7.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from campaigns.models import Message, Submission
from tests.api import Program, text_of

pytestmark = pytest.mark.django_db

BOUNDARY = "6f1d5ea8c84d4b7aa4a8b2a5d0b6c0f1"


@pytest.fixture
def program() -> Program:
    return Program()


def form(*parts: tuple[str, str | bytes] | tuple[str, str, str, bytes]) -> bytes:
    """A body as urllib3 writes it for the official client: text parts have no Content-Type."""
    body = b""
    for part in parts:
        body += f"--{BOUNDARY}\r\n".encode()
        if len(part) == 2:
            name, value = part
            data = value.encode() if isinstance(value, str) else value
            body += f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        else:
            name, filename, kind, data = part
            head = (
                f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}\r\n\r\n'
            )
            body += head.encode() + data + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode()


def post(program: Program, *parts: Any) -> Any:
    return program.client.generic(
        "POST", "/email/3/send", form(*parts), f"multipart/form-data; boundary={BOUNDARY}", headers=program.headers
    )


def test_the_request_of_the_official_client_5_1_1_is_accepted_and_sent(program: Program) -> None:
    response = post(
        program,
        ("from", program.sender),
        ("to", "plain@example.com"),
        ("to", '{"to": "alice@example.com", "placeholders": {"name": "Alice"}}'),
        ("cc", "cc@example.com"),
        ("bcc", "bcc@example.com"),
        ("subject", "Hi {{name}}"),
        ("text", "t"),
        ("html", "<p>{{name}} {{ph1}}</p>"),
        ("notifyUrl", "https://cb.example.com/dlr"),
        ("callbackData", "cbd"),
        ("track", "True"),
        ("trackClicks", "False"),
        ("bulkId", "bulk-1"),
        ("messageId", "m-1"),
        ("replyTo", "r@example.com"),
        ("defaultPlaceholders", '{"ph1": "x", "name": "friend"}'),
        ("preserveRecipients", "False"),
        ("headers", '{"X-C": "v"}'),
        ("attachment", "report.txt", "text/plain", b"hello-bytes"),
    )
    assert response.status_code == 200, response.content
    answer = response.json()
    assert answer["bulkId"] == "bulk-1"
    assert [(entry["to"], entry["status"]["name"]) for entry in answer["messages"]] == [
        (f"{name}@example.com", "PENDING_ACCEPTED") for name in ("plain", "alice", "cc", "bcc")
    ]
    assert answer["messages"][0]["messageId"] == "m-1"
    mails = {str(mail["to"]): mail for mail in program.work()}
    assert mails["alice@example.com"]["subject"] == "Hi Alice"
    assert "<p>friend x</p>" in text_of(mails["plain@example.com"], "html")
    assert mails["plain@example.com"]["x-c"] == "v"
    (attachment,) = mails["plain@example.com"].iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("report.txt", "hello-bytes")


def test_bytes_without_a_name_are_named_by_what_they_are(program: Program) -> None:
    """infobip.md §7.3: the official client then writes the name of the part as the file's."""
    parts = [("from", program.sender), ("to", "a@example.com"), ("subject", "Hi"), ("text", "x")]
    kind = "application/octet-stream"
    assert post(program, *parts, ("attachment", "attachment", kind, b"hello-bytes")).status_code == 200
    assert post(program, *parts, ("attachment", "attachment", kind, b"MZ\x90\x00")).status_code == 400
    (mail,) = program.work()
    assert [part.get_filename() for part in mail.iter_attachments()] == ["attachment.txt"]


def test_part_names_in_any_case_are_read(program: Program) -> None:
    response = post(
        program,
        ("from", program.sender),
        ("to", "a@example.com"),
        ("subject", "Hi"),
        ("HTML", "<p>{{x}}</p>"),
        ("replyto", "r@example.com"),
        ("defaultplaceholders", '{"x": "y"}'),
        ("preserverecipients", '"true"'),
        ("trackclicks", "false"),
    )
    assert response.status_code == 200, response.content
    (mail,) = program.work()
    assert (mail["reply-to"], text_of(mail, "html")) == ("r@example.com", "<p>y</p>\n")


def test_faults_are_told_by_the_names_of_the_parts_and_without_values(program: Program) -> None:
    response = post(program, ("from", "nobody"), ("to", "a@example.com"), ("to", "{broken"), ("subject", "Hi"))
    assert response.status_code == 400
    exception = response.json()["requestError"]["serviceException"]
    assert (exception["messageId"], exception["text"]) == ("BAD_REQUEST", "Bad request")
    assert exception["validationErrors"] == {"to[1]": ["must be an address or a JSON object"]}
    assert b"broken" not in response.content


def test_a_form_without_a_text_is_refused(program: Program) -> None:
    response = post(program, ("from", program.sender), ("to", "a@example.com"), ("subject", "Hi"))
    errors = response.json()["requestError"]["serviceException"]["validationErrors"]
    assert errors == {"text": ["must have html, text or templateId"]}


def test_json_where_a_form_belongs_is_a_415(program: Program) -> None:
    """infobip.md §8: a recurring mistake of clients."""
    response = program.post("/email/3/send", {"from": "x"})
    assert response.status_code == 415
    assert response.json()["requestError"]["serviceException"]["messageId"] == "UNSUPPORTED_MEDIA_TYPE"


def test_thirty_one_days_are_too_far_ahead_and_every_form_of_a_time_is_read(program: Program) -> None:
    parts = [("from", program.sender), ("to", "a@example.com"), ("subject", "Hi"), ("text", "x")]
    assert post(program, *parts, ("sendAt", "2099-01-01T00:00:00.000+00:00")).status_code == 400
    for text in ("2020-01-01T00:00:00.000+0000", "2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123456+00:00"):
        assert post(program, *parts, ("sendAt", text)).status_code == 200


def test_without_a_key_nothing_is_read(program: Program) -> None:
    response = program.client.post("/email/3/send", {"to": "a@example.com"})
    assert response.status_code == 401
    assert response.json()["requestError"]["serviceException"]["messageId"] == "UNAUTHORIZED"
    assert not Submission.objects.exists()


def test_callback_data_is_sealed(program: Program) -> None:
    post(
        program,
        ("from", program.sender),
        ("to", "a@example.com"),
        ("subject", "Hi"),
        ("text", "x"),
        ("callbackData", "patient 4711"),
    )
    row = Submission.objects.get()
    assert row.webhook_sealed is not None
    assert (
        b"4711" not in bytes(row.webhook_sealed) + bytes(row.payload_sealed or b"") + json.dumps(row.options).encode()
    )
    assert Message.objects.count() == 1
