"""Requests that come again: the first answer for the same body, a 409 for another (evil input 23)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django_q.conf import Conf

from campaigns.models import Message, Submission
from tests.api import Program

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.fixture
def program() -> Program:
    return Program()


def body(program: Program, **content: str) -> dict[str, Any]:
    return {"messages": [program.message("ann@example.com", content=content)]}


def test_the_same_idempotency_key_answers_as_the_first_time(program: Program) -> None:
    first, second = (
        program.post("/email/4/messages", body(program), **{"Idempotency-Key": "order-7"}) for _ in range(2)
    )
    assert first.content == second.content
    assert Message.objects.count() == 1


def test_the_same_key_with_another_body_is_a_409(program: Program) -> None:
    program.post("/email/4/messages", body(program), **{"Idempotency-Key": "order-7"})
    other = program.post("/email/4/messages", body(program, text="Other."), **{"Idempotency-Key": "order-7"})
    assert (other.status_code, other.json()["errorCode"]) == (409, "E409")
    assert Message.objects.count() == 1


def test_a_message_id_of_the_caller_is_known_again(program: Program) -> None:
    request = body(program)
    request["messages"][0]["destinations"][0]["to"][0]["messageId"] = "m-1"
    answers = [program.post("/email/4/messages", request).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0]["messages"][0]["messageId"] == "m-1"
    request["messages"][0]["content"]["subject"] = "Another"
    assert program.post("/email/4/messages", request).status_code == 409


def test_half_a_character_in_a_value_is_no_reason_to_fail(program: Program) -> None:
    """JSON can write it and UTF-8 cannot."""
    request = body(program)
    request["messages"][0]["destinations"][0]["to"][0]["placeholders"] = {"name": "\ud800"}
    answers = [program.post("/email/4/messages", request, **{"Idempotency-Key": "order-7"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content


def test_a_key_is_an_accounts_own(program: Program) -> None:
    stranger = Program()
    for one in (program, stranger):
        assert one.post("/email/4/messages", body(one), **{"Idempotency-Key": "order-7"}).status_code == 200
    assert Submission.objects.count() == 2


def test_fifty_at_the_same_time_send_one_mail(program: Program) -> None:
    request = body(program)

    def ask(_: int) -> bytes:
        try:
            return bytes(Program.post(program, "/email/4/messages", request, **{"Idempotency-Key": "k"}).content)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(ask, range(50)))
    assert len(answers) == 1
    assert Message.objects.count() == 1
