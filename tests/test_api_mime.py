"""POST /email/4/mime: a finished mail by HTTP (infobip.md §1.3)."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from campaigns.models import Message, Submission
from campaigns.outbox.payload import open_webhook
from tests.api import Program, text_of
from tests.factories import make_domain

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Program:
    return Program()


def mail(program: Program, *lines: str, sender: str = "", body: str = "Hello\r\n") -> str:
    head = [f"From: {sender or program.sender}", "Subject: Hi", *(lines or ("To: bob@example.net",))]
    return base64.b64encode(("\r\n".join(head) + "\r\n\r\n" + body).encode()).decode()


def send(program: Program, mime: str | None = None, **fields: Any) -> Any:
    return program.post("/email/4/mime", {"mimeMessage": mime or mail(program), **fields})


def faults(response: Any) -> dict[str, list[str]]:
    assert response.status_code == 400, response.content
    found: dict[str, list[str]] = response.json()["requestError"]["serviceException"]["validationErrors"]
    return found


def test_a_finished_mail_leaves_as_it_is(program: Program) -> None:
    response = send(program, mail(program, "To: Bob <bob@example.net>", "List-Unsubscribe: <https://a.example/u>"))
    assert response.status_code == 200, response.content
    (told,) = response.json()["messages"]
    assert (told["to"], told["status"]["id"], told["status"]["name"]) == ("bob@example.net", 26, "PENDING_ACCEPTED")
    assert str(Message.objects.get().public_id) == told["messageId"]
    (left,) = program.work()
    assert (left["from"], left["to"], text_of(left)) == (program.sender, "Bob <bob@example.net>", "Hello\n")
    assert left["list-unsubscribe"] == "<https://a.example/u>"


def test_everybody_in_the_headers_gets_it_and_nobody_sees_bcc(program: Program) -> None:
    lines = ["To: bob@example.net", "Cc: Team: carl@example.net;", "Bcc: eve@example.net"]
    told = send(program, mail(program, *lines)).json()["messages"]
    assert [entry["to"] for entry in told] == ["bob@example.net", "carl@example.net", "eve@example.net"]
    assert len({entry["messageId"] for entry in told}) == 3
    assert all("bcc" not in left for left in program.work())


def test_destinations_take_the_place_of_the_headers(program: Program) -> None:
    response = send(program, destinations=["Ann <ann@example.net>", "dan@example.net"])
    assert [entry["to"] for entry in response.json()["messages"]] == ["ann@example.net", "dan@example.net"]
    assert response.json()["bulkId"]
    assert {str(left["to"]) for left in program.work()} == {"bob@example.net"}


def test_a_given_id_stands_for_the_mail_to_everybody(program: Program) -> None:
    body = {"messageId": "order-17", "destinations": ["ann@example.net", "dan@example.net"]}
    mime = mail(program)
    first, second = send(program, mime, **body), send(program, mime, **body)
    assert [entry["messageId"] for entry in first.json()["messages"]] == ["order-17", "order-17"]
    assert first.content == second.content
    assert Message.objects.count() == 2
    assert send(program, mime, **body, entityId="other").status_code == 409


def test_another_from_of_the_same_organisation_takes_the_place_of_the_header(program: Program) -> None:
    domain = make_domain(program.account, name=f"sub.{program.domain.name}")
    response = send(program, **{"from": f"Billing <billing@{domain.name}>"})
    assert response.status_code == 200, response.content
    assert program.work()[0]["from"] == f"Billing <billing@{domain.name}>"
    assert Submission.objects.get().domain == domain


def test_another_from_of_another_organisation_is_refused(program: Program) -> None:
    make_domain(program.account, name="elsewhere.example.org")
    found = faults(send(program, **{"from": "billing@elsewhere.example.org"}))
    assert found == {"from": ["must be at a domain of the same organisation as the From header"]}


def test_fields_of_the_request_win_over_headers_for_the_same(program: Program) -> None:
    lines = ["To: bob@example.net", "X-IB-bulk-id: header", "X-IB-callback-data: header", "X-IB-entity-id: header"]
    response = send(program, mail(program, *lines), bulkId="field", notifyUrl="https://a.example/told")
    submission = Submission.objects.get()
    webhook = open_webhook(submission)
    assert response.json()["bulkId"] == submission.bulk_id == "field"
    assert (webhook.callback_data, webhook.delivery_url) == ("header", "https://a.example/told")
    assert submission.entity_id == "header"
    assert "X-IB-bulk-id" not in program.work()[0]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"mimeMessage": "no base64!"}, "mimeMessage"),
        ({"mimeMessage": ""}, "mimeMessage"),
        ({"mimeMessage": base64.b64encode(b"no mail").decode()}, "mimeMessage"),
        ({"destinations": ["ann@example.net", "nobody"]}, "destinations[1]"),
        ({"destinations": ["ann%example.org@example.net"]}, "destinations[0]"),
        ({"destinations": ["a@example.net"] * 1001}, "destinations"),
        ({"from": "nobody"}, "from"),
        ({"callbackData": "x" * 4001}, "callbackData"),
        ({"notifyContentType": "text/plain"}, "notifyContentType"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(program: Program, fields: dict[str, Any], name: str) -> None:
    assert list(faults(program.post("/email/4/mime", {"mimeMessage": mail(program), **fields}))) == [name]
    assert not Message.objects.exists()


def test_a_mail_to_nobody_is_refused(program: Program) -> None:
    response = send(program, mail(program, "Subject-Line: x"))
    assert response.status_code == 400


def test_a_mail_above_the_limit_is_a_413_evil_16(program: Program, settings: Any) -> None:
    settings.MAX_MESSAGE_BYTES = 1_000
    assert send(program, mail(program, body="x\r\n" * 1_000)).status_code == 413


def test_a_strangers_domain_is_refused(program: Program) -> None:
    stranger = Program()
    response = send(program, mail(program, sender=f"a@{stranger.domain.name}"))
    assert faults(response) == {"mimeMessage": ["The sender's domain is not one of this account's."]}
