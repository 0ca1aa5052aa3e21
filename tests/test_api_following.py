"""Reports, logs and bulks: what programs learn of their mails, and how they steer those of later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from campaigns.models import Message, MessageState, Submission
from campaigns.outbox import delivery_news
from tests.api import Program

pytestmark = pytest.mark.django_db

LATER = {"schedule": {"sendAt": "", "bulkId": "b-1"}}


@pytest.fixture
def program() -> Program:
    return Program()


def later(days: float = 2) -> dict[str, Any]:
    at = timezone.now() + timedelta(days=days)
    return {"schedule": {"sendAt": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"), "bulkId": "b-1"}}


def reports(program: Program, path: str = "/email/4/reports", **query: Any) -> list[dict[str, Any]]:
    response = program.get(path, **query)
    assert response.status_code == 200, response.content
    return list(response.json()["results"])


def test_a_report_is_handed_out_once(program: Program) -> None:
    message = program.message("ann@example.com") | {"webhooks": {"callbackData": "order-7"}}
    message["options"] = {"campaignReferenceId": "spring", "platform": {"entityId": "e", "applicationId": "a"}}
    program.post("/email/4/messages", {"messages": [message], "options": {"schedule": {"bulkId": "b-1"}}})
    assert reports(program) == []
    program.work()
    (report,) = reports(program)
    assert (report["to"], report["bulkId"], report["callbackData"]) == ("ann@example.com", "b-1", "order-7")
    assert report["sender"] == f"shop@{program.domain.name}"
    assert (report["status"]["groupName"], report["status"]["name"]) == ("DELIVERED", "DELIVERED_TO_OPERATOR")
    assert (report["error"]["name"], report["attemptCount"]) == ("NO_ERROR", 1)
    assert (report["platform"], report["campaignReferenceId"]) == ({"entityId": "e", "applicationId": "a"}, "spring")
    assert report["sentAt"].endswith("+0000")
    assert reports(program) == []


@pytest.mark.parametrize(
    ("recipient", "status", "error"),
    [
        ("bounce@example.com", "UNDELIVERABLE_NOT_DELIVERED", "EC_INVALID_EMAIL_ADDRESS"),
        ("block@example.com", "UNDELIVERABLE_NOT_DELIVERED", "EC_RECIPIENT_DOMAIN_POLICY_ERROR"),
    ],
)
def test_a_bounce_is_reported_with_its_error(program: Program, recipient: str, status: str, error: str) -> None:
    program.send(recipient)
    program.work()
    (report,) = reports(program, "/email/1/reports")
    assert (report["status"]["name"], report["error"]["name"]) == (status, error)
    assert "callbackData" not in report
    assert "sender" not in report


def test_a_mail_that_bounces_after_it_was_delivered_is_reported_again(program: Program) -> None:
    program.send()
    program.work()
    assert len(reports(program)) == 1
    message = Message.objects.get()
    transport = program.account.transports.get()
    found, _ = delivery_news.lock_messages([message.public_id], transport_id=transport.pk)
    delivery_news.note_bounced(list(found.values()), code="smtp.550-5.1.1")
    (report,) = reports(program)
    assert report["status"]["name"] == "UNDELIVERABLE_NOT_DELIVERED"


def test_reports_are_gone_after_two_days(program: Program) -> None:
    program.send()
    program.work()
    with time_machine.travel(timezone.now() + timedelta(hours=49)):
        assert reports(program) == []


def test_filters_choose_reports(program: Program) -> None:
    first = program.send(options={"schedule": {"bulkId": "b-1"}})["messages"][0]["messageId"]
    program.send(options={"schedule": {"bulkId": "b-2"}})
    program.work()
    assert reports(program, bulkId="b-3") == []
    assert [entry["messageId"] for entry in reports(program, messageId=first)] == [first]
    assert len(reports(program, bulkId="b-2", limit=1)) == 1


def test_nobody_gets_reports_or_logs_of_another_account(program: Program) -> None:
    program.send()
    program.work()
    stranger = Program()
    assert reports(stranger) == []
    assert reports(stranger, "/email/4/logs") == []
    assert len(reports(program, "/email/4/logs")) == 1


def test_logs_can_be_read_again_and_go_on_by_a_cursor(program: Program) -> None:
    for number in range(5):
        program.send(f"p{number}@example.com")
    program.work()
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = program.get("/email/4/logs", limit=2, useCursor="true", **cursor).json()
        seen += [entry["destination"] for entry in page["results"]]
        if not page["cursor"]["nextCursor"]:
            break
        cursor = {"cursor": page["cursor"]["nextCursor"]}
    assert seen == [f"p{number}@example.com" for number in reversed(range(5))]
    assert len(reports(program, "/email/4/logs")) == 5
    assert program.get("/email/4/logs", useCursor="true", cursor="1").status_code == 400


def test_logs_are_searched(program: Program) -> None:
    program.send("ann@example.com", "bounce@example.com")
    program.work()
    assert [e["destination"] for e in reports(program, "/email/4/logs", generalStatus="UNDELIVERABLE")] == [
        "bounce@example.com"
    ]
    assert [e["to"] for e in reports(program, "/email/1/logs", to="ann@example.com")] == ["ann@example.com"]
    since = (timezone.now() + timedelta(hours=1)).isoformat()
    assert reports(program, "/email/4/logs", sentSince=since) == []


def test_logs_need_their_own_scope() -> None:
    program = Program(scopes=["email:message:send"])
    assert program.get("/email/4/logs").status_code == 403
    assert program.get("/email/4/reports").status_code == 200


def test_a_bulk_is_rescheduled(program: Program) -> None:
    program.send(options=later())
    at = (timezone.now() + timedelta(days=3)).replace(microsecond=0)
    response = program.ask("PUT", "/email/1/bulks?bulkId=b-1", {"sendAt": at.isoformat()})
    assert response.json() == {"bulkId": "b-1", "sendAt": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")}
    found = program.get("/email/1/bulks", bulkId="b-1").json()
    assert found == {"externalBulkId": "b-1", "bulks": [{"bulkId": "b-1", "sendAt": response.json()["sendAt"]}]}
    assert Message.objects.get().next_attempt_at == at
    assert Submission.objects.get().valid_until == at + timedelta(hours=48)


def test_a_bulk_is_paused_resumed_and_cancelled(program: Program) -> None:
    program.send(options=later())

    def status() -> str:
        return str(program.get("/email/1/bulks/status", bulkId="b-1").json()["bulks"][0]["status"])

    assert status() == "PENDING"
    for wanted, shown in (("PAUSED", "PAUSED"), ("PROCESSING", "PENDING"), ("CANCELED", "CANCELED")):
        response = program.ask("PUT", "/email/1/bulks/status?bulkId=b-1", {"status": wanted})
        assert response.json() == {"bulkId": "b-1", "status": shown}
        assert status() == shown
    assert Message.objects.get().state == MessageState.CANCELLED
    response = program.ask("PUT", "/email/1/bulks/status?bulkId=b-1", {"status": "PAUSED"})
    exception = response.json()["requestError"]["serviceException"]
    assert (response.status_code, exception["text"]) == (409, "Update not allowed for bulk")


def test_a_bulk_that_has_left_cannot_be_rescheduled(program: Program) -> None:
    program.send(options={"schedule": {"bulkId": "b-1"}})
    program.work()
    at = (timezone.now() + timedelta(days=1)).isoformat()
    assert program.ask("PUT", "/email/1/bulks?bulkId=b-1", {"sendAt": at}).status_code == 409
    assert program.get("/email/1/bulks/status", bulkId="b-1").json()["bulks"][0]["status"] == "FINISHED"


def test_a_strangers_bulk_is_not_found_as_one_that_nobody_has(program: Program) -> None:
    program.send(options=later())
    answers = [
        Program().get("/email/1/bulks", bulkId="b-1"),
        program.get("/email/1/bulks", bulkId="b-9"),
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert answers[0].json()["requestError"]["serviceException"]["text"] == "Bulk not found"


def test_a_bulk_without_its_id_is_a_400(program: Program) -> None:
    assert program.get("/email/1/bulks").status_code == 400
