"""The circuit breaker of HIPAA sends: the first messages, a pause, and the others (hipaa.md S27)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns import tasks
from campaigns.models import EventKind, HipaaSend, Message, Role, Submission, Transport
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning.hipaa import starting
from campaigns.tracking.record import Report, record_reports
from compliance.models import Approval, AuditEvent
from tests.factories import make_version
from tests.hipaa import Authority
from tests.hipaa_office import HipaaOffice, sheet, statements, url
from tests.smtp_server import Conversation, RawServer, polite

pytestmark = pytest.mark.django_db


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A relay that also says what arrived (RFC 3461)."""
    authority = Authority(tmp_path, monkeypatch)
    with RawServer(polite, b"STARTTLS", b"PIPELINING", b"DSN", context=authority.server()) as running:
        yield running


@pytest.fixture
def office(relay: RawServer) -> HipaaOffice:
    office = HipaaOffice()
    office.clinic.aim(relay.port)
    return office


def begin(office: HipaaOffice, *, people: int = 45) -> HipaaSend:
    """A send that is approved and may leave."""
    assert office.approve(office.submitted(people=people)).status_code == 302
    assert starting.start_send(Approval.objects.get(), now=timezone.now())
    return HipaaSend.objects.get()


def dispatch() -> None:
    dispatch_slice(Submission.objects.get().pk)


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def report(kind: EventKind, count: int) -> None:
    """What the relay tells later about as many of the mails it took."""
    ids = Message.objects.filter(state="sent").order_by("pk").values_list("public_id", flat=True)[:count]
    transport = Transport.objects.get(is_default=True)
    assert record_reports([Report(public_id, kind) for public_id in ids], transport=transport, now=timezone.now())


def events(action: str) -> list[dict[str, Any]]:
    return list(AuditEvent.objects.filter(action=action).order_by("pk").values_list("data", flat=True))


def closed(peer: Conversation, verb: str, what: bytes) -> bytes | None:
    return peer.hang_up(b"421 4.3.2 Closed\r\n")


@pytest.mark.django_db(transaction=True)
def test_however_many_workers_hand_over_only_the_first_leave_until_somebody_says_so(
    office: HipaaOffice, relay: RawServer
) -> None:
    # The one worker that begins with the approval finds the relay closed; then come three at once.
    relay.answer = closed
    office.approve(office.submitted(people=45))
    send = HipaaSend.objects.get()
    relay.answer = polite
    Transport.objects.update(broken_until=None, failures=0)

    def work() -> None:
        dispatch_slice(Submission.objects.get().pk, limit=3)
        connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(relay.mails) == 20
    page = text(office.author.get(url(send)))
    assert "The first 20 leave, the other 25 wait" in page
    assert "Of the first 20 messages 20 have left: 0 are known to have arrived and 0 came back." in page
    assert "Did the first 20 arrive as they should?" in text(office.approver.get(url(send, "release")))
    office.approver.post(url(send, "release"))
    assert len({rcpt for rcpt, _ in relay.mails}) == len(relay.mails) == 45
    assert events("send.batch-paused") == [
        {"code": "hipaa.batch-paused", "because": "first-batch", "first": 20, "count": 25}
    ]
    (released,) = AuditEvent.objects.filter(action="send.batch-released")
    assert (released.actor_id, released.data["count"]) == (str(office.clinic.approver.id), 25)
    assert "the other" not in text(office.author.get(url(send)))


def test_the_others_follow_by_themselves_once_enough_are_known_to_have_arrived(
    office: HipaaOffice, relay: RawServer
) -> None:
    begin(office)
    dispatch()
    assert all(b"NOTIFY=SUCCESS,FAILURE,DELAY" in rcpt for rcpt, _ in relay.mails)
    report(EventKind.DELIVERED, 14)
    tasks.sweep()
    dispatch()
    assert len(relay.mails) == 20
    report(EventKind.DELIVERED, 1)
    tasks.sweep()
    dispatch()
    assert len(relay.mails) == 45
    assert all(b"NOTIFY=FAILURE,DELAY" in rcpt for rcpt, _ in relay.mails[20:])
    assert [event["delivered"] for event in events("send.batch-released")] == [15]


def test_after_a_complaint_they_follow_only_when_somebody_says_so(office: HipaaOffice, relay: RawServer) -> None:
    send = begin(office)
    dispatch()
    report(EventKind.COMPLAINED, 1)
    report(EventKind.DELIVERED, 20)
    tasks.sweep()
    dispatch()
    assert len(relay.mails) == 20
    page = text(office.author.get(url(send)))
    assert "The others leave only when somebody says so" in page
    assert "1 was called spam" in page
    question = text(office.author.get(url(send, "release")))
    assert "Send the other 25 although something went wrong?" in question
    assert "What has left cannot be called back" in question
    messages = text(office.author.get(url(send, "messages")))
    assert "Waiting until the first messages have arrived" in messages
    assert "hipaa.batch-paused" not in messages


def bouncing(peer: Conversation, verb: str, what: bytes) -> bytes | None:
    """Says no to one of the first recipients."""
    return b"550 5.1.1 No such user\r\n" if what.startswith(b"RCPT TO:<pat7name") else polite(peer, verb, what)


def test_a_send_of_which_too_much_comes_back_pauses_and_goes_on_when_somebody_says_so(
    office: HipaaOffice, relay: RawServer
) -> None:
    """1 of 20 is more than 3 %."""
    relay.answer = bouncing
    send = begin(office)
    dispatch()
    page = text(office.author.get(url(send)))
    assert "1 of 20 mails came back, and a HIPAA send stops above 3 %" in page
    assert HipaaSend.objects.get().state == "paused"
    assert events("send.batch-paused")[1:] == [
        {"code": "hipaa.batch-paused", "because": "bounces", "count": 1, "of": 20}
    ]
    office.author.post(url(send, "release"))
    tasks.plan_submission(Submission.objects.get().pk)
    dispatch()
    assert (len(relay.mails), HipaaSend.objects.get().state) == (44, "sent")


def test_one_mail_that_cannot_be_made_pauses_the_send_also_after_the_first(
    office: HipaaOffice, relay: RawServer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HIPAA_FIRST_MESSAGES = 2
    monkeypatch.setattr("campaigns.outbox.dispatch.CHECK_EVERY", 0.0)
    source = office.version.source.replace("{{ visit }}", "{{ visit }} ({{ 100 | divided_by: visit }})")
    make_version(office.template, subject="A message", source=source, variables=office.version.variables)
    send = office.draft()
    office.declare(send)
    declared = {"first_name-kind": "name", "visit-kind": "number", "first_name-purpose": "x", "visit-purpose": "x"}
    assert office.author.post(url(send, "values"), declared).status_code == 302
    rows = [f"pat{n}name@example.org,Pat{n}name,{0 if n == 4 else 5}" for n in range(150)]
    office.upload(send, "\n".join(["Email,First name,Visit", *rows]).encode())
    office.author.post(url(send, "confirm"))
    office.author.post(url(send, "submit"), statements())
    office.approve(Approval.objects.get())
    starting.start_send(Approval.objects.get(), now=timezone.now())
    dispatch()
    office.author.post(url(send, "release"))
    dispatch()
    assert "1 mail could not be made" in text(office.author.get(url(send)))
    assert events("send.batch-paused")[1:] == [{"code": "hipaa.batch-paused", "because": "render-error", "count": 1}]
    assert len(relay.mails) < 149
    office.author.post(url(send, "resume"))
    tasks.plan_submission(Submission.objects.get().pk)
    dispatch()
    assert (len(relay.mails), len(events("send.resumed"))) == (149, 1)


def test_a_stale_factor_and_other_roles_let_nothing_leave(office: HipaaOffice) -> None:
    send = begin(office)
    for role in (Role.OPERATOR, Role.AUDITOR, Role.VIEWER):
        assert office.sign_in(role).post(url(send, "release")).status_code == 403
    without = office.sign_in(Role.COMPLIANCE, factor=False)
    without.post(url(send, "release"))
    assert Client().post(url(send, "release")).status_code == 302
    assert Message.objects.filter(error_code="hipaa.batch-paused").count() == 25


def test_a_send_approved_anew_begins_with_first_messages_again(office: HipaaOffice, relay: RawServer) -> None:
    send = begin(office)
    dispatch()
    Approval.objects.update(state="voided")
    office.author.post(url(send, "submit"), statements())
    office.approve(Approval.objects.order_by("-revision")[0])
    starting.start_send(Approval.objects.order_by("-revision")[0], now=timezone.now())
    dispatch()
    assert (len(relay.mails), Message.objects.filter(error_code="hipaa.batch-paused").count()) == (40, 5)


def test_a_small_send_is_its_own_first_batch(office: HipaaOffice, relay: RawServer) -> None:
    assert len(sheet(20).splitlines()) == 21
    begin(office, people=20)
    dispatch()
    assert (len(relay.mails), HipaaSend.objects.get().state) == (20, "sent")
    assert events("send.batch-paused") == []
