"""Protected mail on its way out: held, proven, accounted for, and over verified TLS or not at all (hipaa.md §3, §4)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from campaigns.models import Account, Event, Message, SandboxMail, Submission, Transport
from campaigns.outbox import accounting, holds
from campaigns.outbox.custody import INTEGRITY
from campaigns.outbox.dispatch import SliceResult, dispatch_slice, dispatch_stream
from campaigns.planning import fanout, sending
from compliance.agreements import recording, status
from compliance.approvals import stopping
from compliance.models import Approval, AuditEvent, Baa, DataKey, Disclosure, Stop
from compliance.oversight import emergency
from compliance.vault import keys, rotation
from config import keyring
from tests.factories import make_account, make_campaign, make_contact, make_list, make_sender, make_user, make_version
from tests.hipaa import HOST, Authority, Clinic, ClinicSend, make_clinic, make_send
from tests.hipaa_office import HipaaOffice, url
from tests.smtp_server import Conversation, RawServer, polite

pytestmark = pytest.mark.django_db


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    return Authority(tmp_path, monkeypatch)


@pytest.fixture
def server(authority: Authority) -> Iterator[RawServer]:
    """A relay with STARTTLS and a certificate that is as it should be."""
    with RawServer(polite, b"STARTTLS", b"PIPELINING", context=authority.server()) as running:
        yield running


@pytest.fixture
def clinic(server: RawServer) -> Clinic:
    clinic = make_clinic()
    clinic.aim(server.port)
    return clinic


@pytest.fixture
def clinic_of_its_own_ring(settings: Settings, tmp_path: Path, server: RawServer) -> Clinic:
    """Root keys that a test may destroy."""
    settings.KEY_RING = keyring.load(tmp_path / "ring.json", create=True)
    keys.forget_open_keys()
    clinic = make_clinic()
    clinic.aim(server.port)
    return clinic


@pytest.fixture
def send(clinic: Clinic) -> ClinicSend:
    return make_send(clinic)


def dispatch(send: ClinicSend) -> SliceResult:
    """A slice, as if every pause were over."""
    Transport.objects.update(broken_until=None)
    return dispatch_slice(send.submission.pk)


def because(send: ClinicSend) -> str:
    return Submission.objects.values_list("waits_because", flat=True).get(pk=send.submission.pk)


def test_an_approved_send_leaves_over_verified_tls_to_each_of_its_recipients(
    send: ClinicSend, server: RawServer
) -> None:
    send.approve()
    dispatch(send)
    assert send.states() == ["sent", "sent"]
    assert sorted(rcpt for rcpt, _ in server.mails) == [b"RCPT TO:<ann@example.org>", b"RCPT TO:<ben@example.org>"]
    assert all(b"CANARY-ward" in mail for _, mail in server.mails)
    assert set(Message.objects.values_list("recipient", flat=True)) == {""}


def test_each_disclosure_is_kept_with_its_basis_and_its_tls(send: ClinicSend, authority: Authority) -> None:
    """164.528, 164.312(e): to whom, when, on what basis, and how it was encrypted, without a name or an address."""
    approval = send.approve()
    dispatch(send)
    rows = list(Disclosure.objects.order_by("pk"))
    assert {row.address_key for row in rows} == set(Message.objects.values_list("address_key", flat=True))
    row = rows[0]
    assert (row.approval, row.legal_basis, row.purpose) == (approval.public_id, "treatment", "transactional")
    assert (row.tls_version, row.peer_host) == ("TLSv1.3", HOST)
    assert row.tls_cipher.startswith("TLS_")
    assert row.tls_fingerprint == authority.fingerprint
    assert AuditEvent.objects.get(action="phi.disclosed").data["count"] == 2


def test_what_a_dead_worker_handed_over_is_accounted_for(send: ClinicSend) -> None:
    send.approve()
    Message.objects.update(state="sending", claimed_by="dead")
    ids = list(Message.objects.values_list("pk", flat=True))
    Message.objects.filter(pk__in=ids).update(state="sent")
    for _ in range(2):
        accounting.note_recovered(ids, now=timezone.now())
    assert Disclosure.objects.filter(legal_basis="treatment").count() == 2


# --- Held, and going on -------------------------------------------------------------------------------------------


def suspend(send: ClinicSend) -> None:
    clinic = send.clinic
    status.change_status(clinic.account.pk, to="suspended", reason="breach", by=clinic.officer, now=timezone.now())


def stop(send: ClinicSend) -> None:
    clinic = send.clinic
    stopping.order_stop(clinic.account.pk, owner=clinic.owner, by=clinic.officer, reason="incident", now=timezone.now())


def end_agreement(send: ClinicSend) -> None:
    baa = Baa.objects.get(side="customer")
    yesterday = timezone.now().date() - timedelta(days=1)
    recording.end_agreement(baa, on=yesterday, owner=send.clinic.owner, by=send.clinic.officer, now=timezone.now())


def lose_relay(_: ClinicSend) -> None:
    Baa.objects.filter(side="subcontractor").update(host="other.test")


def void(_: ClinicSend) -> None:
    Approval.objects.update(state="voided")


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (suspend, "agreement is not active"),
        (stop, "sends are stopped"),
        (end_agreement, "No Business Associate Agreement is in effect"),
        (lose_relay, "No agreement with whoever runs this relay"),
        (void, "not approved"),
    ],
)
def test_what_holds_an_account_holds_its_queued_mail_and_loses_none(
    send: ClinicSend, server: RawServer, happens: Callable[[ClinicSend], None], says: str
) -> None:
    send.approve()
    happens(send)
    dispatch(send)
    assert (send.states(), server.mails) == (["queued", "queued"], [])
    assert says in because(send)


def test_mail_goes_on_once_a_stop_is_lifted_however_long_it_stood(
    send: ClinicSend, server: RawServer, clinic: Clinic
) -> None:
    send.approve()
    stop(send)
    Submission.objects.update(valid_until=timezone.now() + timedelta(seconds=1))
    dispatch(send)
    standing = Stop.objects.get()
    stopping.lift_stop(standing, owner=clinic.owner, by=clinic.officer, now=timezone.now())
    assert Submission.objects.get(pk=send.submission.pk).valid_until > timezone.now() + timedelta(minutes=30)
    dispatch(send)
    assert (send.states(), len(server.mails)) == (["sent", "sent"], 2)


def test_a_stop_ends_a_send_that_is_under_way_within_two_seconds(
    clinic: Clinic, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hipaa.md B25: nothing begins to leave after the second look; what was claimed goes back."""
    send = make_send(clinic, people=[f"p{number}@example.org" for number in range(30)])
    send.approve()
    monkeypatch.setattr("campaigns.outbox.dispatch.CHECK_EVERY", 0.0)

    def answer(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        if verb == "BODY" and len(server.mails) == 3:
            ordered.set()
            assert done.wait(60)
        return polite(peer, verb, what)

    ordered, done = threading.Event(), threading.Event()
    server.answer = answer
    looks = iter(range(1_000_000))
    find = holds.find_send_hold

    def look(*args: Any, **options: Any) -> Any:
        # In the worker's own thread, between two mails: another connection would wait for this test's transaction.
        if ordered.is_set() and not done.is_set():
            stop(send)
            done.set()
        next(looks)
        return find(*args, **options)

    monkeypatch.setattr(holds, "find_send_hold", look)
    dispatch(send)
    states = send.states()
    assert states.count("sent") == len(server.mails) < 10
    assert set(states) == {"sent", "queued"}


@pytest.mark.django_db(transaction=True)
def test_root_keys_change_and_go_while_a_send_is_under_way(server: RawServer, clinic_of_its_own_ring: Clinic) -> None:
    """hipaa.md §2.3: each batch opens by the root key of that moment; nothing is lost, repeated or left in the clear."""
    send = make_send(clinic_of_its_own_ring, people=[f"p{number}@example.org" for number in range(12)])
    send.approve()
    reached, rotated, kids = threading.Event(), threading.Event(), []

    def answer(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        if verb == "BODY" and len(server.mails) == 3:
            reached.set()
            assert rotated.wait(60)
        return polite(peer, verb, what)

    def rotate() -> None:
        assert reached.wait(60)
        for _ in range(2):
            (old,) = set(DataKey.objects.values_list("kid", flat=True))
            kids.append(rotation.add_root())
            for _ in rotation.rotate(batch=1):
                keys.forget_open_keys()  # as in a worker that has just started
            rotation.retire_root(old)
        connection.close()
        rotated.set()

    server.answer = answer
    officer = threading.Thread(target=rotate)
    officer.start()
    dispatch_slice(send.submission.pk, limit=2)
    officer.join()
    assert (len(set(kids)), set(DataKey.objects.values_list("kid", flat=True))) == (2, {kids[-1]})
    assert send.states() == ["sent"] * 12
    assert len({rcpt for rcpt, _ in server.mails}) == len(server.mails) == 12
    assert all(b"CANARY-ward" in mail for _, mail in server.mails)
    assert not AuditEvent.objects.filter(action="send.integrity-failed").exists()


# --- Only what was approved ---------------------------------------------------------------------------------------


def test_a_message_edited_by_sql_after_the_approval_is_held_and_told_of(send: ClinicSend, server: RawServer) -> None:
    send.approve()
    first, second = Message.objects.order_by("pk")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE campaigns_message SET placeholders_sealed = %s WHERE id = %s",
            [bytes(second.placeholders_sealed or b""), first.pk],
        )
    dispatch(send)
    assert send.states() == ["held", "sent"]
    assert [rcpt for rcpt, _ in server.mails] == [b"RCPT TO:<ben@example.org>"]
    first.refresh_from_db()
    event = AuditEvent.objects.get(action="send.integrity-failed")
    assert (first.error_code, event.data["messages"]) == (INTEGRITY, [str(first.public_id)])


def test_a_message_added_by_sql_after_the_approval_is_held(send: ClinicSend, server: RawServer) -> None:
    send.approve()
    make_send(send.clinic, people=["eve@example.org"])
    Message.objects.filter(submission__gt=send.submission.pk).update(submission=send.submission)
    dispatch(send)
    assert send.states() == ["sent", "sent", "held"]


def test_a_template_edited_by_sql_after_the_approval_sends_nothing_and_voids_it(
    send: ClinicSend, server: RawServer
) -> None:
    approval = send.approve()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_templateversion SET source = source || 'x'")
    dispatch(send)
    approval.refresh_from_db()
    send.campaign.refresh_from_db()
    assert (send.states(), server.mails) == (["queued", "queued"], [])
    assert (approval.state, approval.ended_because, send.campaign.state) == ("voided", "integrity", "paused")


def test_the_recipients_domain_is_not_taken_from_the_row(send: ClinicSend, server: RawServer) -> None:
    send.approve()
    Message.objects.update(recipient_domain="evil.example", recipient="eve@evil.example")
    dispatch(send)
    assert {rcpt.partition(b"@")[2] for rcpt, _ in server.mails} == {b"example.org>"}


def test_what_waited_when_an_approval_became_void_leaves_under_a_new_one(send: ClinicSend, server: RawServer) -> None:
    send.approve()
    suspend(send)
    dispatch(send)
    clinic, now = send.clinic, timezone.now()
    status.change_status(clinic.account.pk, to="active", reason="agreement-renewed", by=clinic.officer, now=now)
    send.approve()
    dispatch(send)
    assert send.states() == ["sent", "sent"]


# --- Over verified TLS or not at all (hipaa.md §4.5) --------------------------------------------------------------


def no_starttls(_: Authority) -> RawServer:
    return RawServer(polite, b"PIPELINING")


def stripped(authority: Authority) -> RawServer:
    """The capability is there and the command is answered with 454: a proxy in between, or a broken server."""

    def answer(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        return b"454 4.7.0 TLS not available\r\n" if verb == "STARTTLS" else polite(peer, verb, what)

    return RawServer(answer, b"STARTTLS", context=authority.server())


def old_tls(authority: Authority) -> RawServer:
    context = authority.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return RawServer(polite, b"STARTTLS", context=context)


def wrong_name(authority: Authority) -> RawServer:
    return RawServer(polite, b"STARTTLS", context=authority.server("relay.other.example"))


def expired(authority: Authority) -> RawServer:
    return RawServer(polite, b"STARTTLS", context=authority.server(expired=True))


def strangers(authority: Authority) -> RawServer:
    return RawServer(polite, b"STARTTLS", context=authority.server(stranger=True))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("kind", "code", "detail"),
    [
        (no_starttls, "transport.tls-not-offered", ""),
        (old_tls, "transport.tls-failed", ""),
        (wrong_name, "transport.certificate-invalid", "64"),
        (expired, "transport.certificate-invalid", "10"),
        (strangers, "transport.certificate-invalid", "20"),
    ],
)
def test_without_verified_tls_mail_is_held_and_not_a_byte_of_it_leaves(
    send: ClinicSend, authority: Authority, kind: Callable[[Authority], RawServer], code: str, detail: str
) -> None:
    with kind(authority) as bad:
        send.clinic.aim(bad.port)
        send.approve()
        dispatch(send)
        assert not [line for line in bad.said if line.startswith((b"MAIL", b"RCPT", b"DATA", b"BODY"))]
    send.campaign.refresh_from_db()
    # Waiting, not paused: it goes on by itself when the relay is in order again.
    assert (send.states(), send.campaign.state) == (["queued", "queued"], "sending")
    event = AuditEvent.objects.get(action="send.held")
    assert event.data == {"code": code, "detail": detail}


def test_a_relay_that_answers_starttls_with_454_gets_nothing(send: ClinicSend, authority: Authority) -> None:
    with stripped(authority) as bad:
        send.clinic.aim(bad.port)
        send.approve()
        dispatch(send)
        assert not [line for line in bad.said if line.startswith(b"MAIL")]
    assert send.states() == ["queued", "queued"]


def test_what_was_held_leaves_once_the_relay_is_in_order(
    send: ClinicSend, authority: Authority, server: RawServer
) -> None:
    send.approve()
    context = authority.server("relay.other.example")
    server._context = context
    dispatch(send)
    assert send.states() == ["queued", "queued"]
    server._context = authority.server()
    dispatch(send)
    assert send.states() == ["sent", "sent"]


def test_a_relay_without_encryption_or_of_another_kind_holds(send: ClinicSend, server: RawServer) -> None:
    send.clinic.aim(server.port, tls="none")
    send.approve()
    dispatch(send)
    assert "never leaves unencrypted" in because(send)
    send.clinic.aim(server.port)
    Baa.objects.filter(side=Baa.Side.SUBCONTRACTOR).update(onward=Baa.Onward.MAY_FALL_BACK)
    dispatch(send)
    assert "hands mail on over TLS only" in because(send)
    Transport.objects.update(kind="infobip")
    dispatch(send)
    assert "whose encryption we verify ourselves" in because(send)
    assert server.mails == []


def test_only_ciphertext_is_on_the_wire(send: ClinicSend, server: RawServer) -> None:
    with Tap(server.port) as tap:
        send.clinic.aim(tap.port)
        send.approve()
        dispatch(send)
    assert len(server.mails) == 2
    heard = bytes(tap.heard)
    assert b"STARTTLS" in heard
    assert not [word for word in (b"CANARY-ward", b"ann@example.org", b"Ann", b"MAIL FROM") if word in heard]


class Tap:
    """A proxy in front of a server that keeps every byte of both directions."""

    def __init__(self, target: int) -> None:
        self.heard = bytearray()
        self._target = target
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Tap:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for sock in (self._listener, *self._sockets):
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self._target))
                self._sockets += [near, far]
                for pair in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._copy, args=pair, daemon=True))
                    self._threads[-1].start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.heard += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


# --- Officers -----------------------------------------------------------------------------------------------------


def test_officers_are_told_of_emergency_access_by_mail_that_says_where_to_look_and_nothing_else(
    clinic: Clinic, server: RawServer
) -> None:
    """hipaa.md B3: at once, over verified TLS, and without a name, a reason or an entry among the disclosures."""
    make_sender(clinic.account)
    User.objects.filter(pk=clinic.officer.id).update(email="officer@example.org", is_active=True)
    reason = "The officer is on a plane and mail goes to the wrong people."
    access = emergency.open_access(clinic.account, reason=reason, by=clinic.author, now=timezone.now())
    dispatch_stream(Transport.objects.get(account=clinic.account, is_default=True).pk, linger=timedelta(0))
    ((rcpt, mail),) = server.mails
    text = message_from_bytes(mail, policy=default).get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert (rcpt, f"/emergencyaccess/{access.public_id}/change/" in text) == (b"RCPT TO:<officer@example.org>", True)
    assert not [word for word in (reason, str(clinic.account), "user") if word in text]
    assert Message.objects.get().recipient == ""
    assert not Disclosure.objects.exists()


# --- The sandbox, and ordinary mail -------------------------------------------------------------------------------


def test_the_sandbox_takes_protected_mail_and_keeps_nothing_of_it() -> None:
    send = make_send(make_clinic())
    send.approve()
    dispatch(send)
    assert send.states() == ["sent", "sent"]
    assert (SandboxMail.objects.count(), Disclosure.objects.count()) == (0, 0)


def test_ordinary_mail_asks_nothing_of_all_this() -> None:
    account = make_account()
    readers = make_list(account)
    for number in range(3):
        make_contact(account, lists=[readers], first_name=str(number))
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(submission.pk)
    asked: list[str] = []

    def listen(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        asked.append(sql)
        return execute(sql, *args)

    with connection.execute_wrapper(listen):
        dispatch_slice(submission.pk)
    about = ("compliance_baa", "compliance_approval", "compliance_stop", "compliance_terms", "compliance_disclosure")
    assert not [sql for sql in asked if any(table in sql for table in about)]
    assert Event.objects.filter(kind="sent").count() == 3
    assert Account.objects.get(pk=account.pk).baa_status == "none"


# --- A test before it ---------------------------------------------------------------------------------------------


@pytest.fixture
def office(server: RawServer) -> HipaaOffice:
    office = HipaaOffice()
    office.clinic.aim(server.port)
    User.objects.filter(pk=office.clinic.approver.id).update(email=f"amir@{office.sender.domain.name}")
    return office


def test_a_test_mail_carries_made_up_values_to_staff_over_tls(office: HipaaOffice, server: RawServer) -> None:
    """§3.4: nobody's own values, a subject that says so, told to the trail, and no disclosure."""
    send = office.ready()
    chosen = {"person": office.clinic.approver.id, "row": "typical"}
    assert office.author.post(url(send, "test"), chosen).status_code == 302
    submission = Submission.objects.get(door="test")
    dispatch_slice(submission.pk)
    ((rcpt, data),) = server.mails
    mail = message_from_bytes(data, policy=default)
    assert rcpt == f"RCPT TO:<amir@{office.sender.domain.name}>".encode()
    assert mail["Subject"] == "[Test] A message from your clinic"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Dear Sam Sample" in body.get_content()
    assert b"March 2027" not in data
    assert AuditEvent.objects.get(action="content.tested").data == {"to": str(chosen["person"]), "row": "typical"}
    assert not Disclosure.objects.exists()
    assert set(Message.objects.filter(submission=submission).values_list("recipient", "state")) == {("", "sent")}


def test_a_test_mail_waits_for_encryption_as_real_mail_does(office: HipaaOffice, authority: Authority) -> None:
    send = office.ready()
    with RawServer(polite, b"STARTTLS", context=authority.server(stranger=True)) as strange:
        office.clinic.aim(strange.port)
        office.author.post(url(send, "test"), {"person": office.clinic.approver.id, "row": "odd"})
        dispatch_slice(Submission.objects.get(door="test").pk)
        assert strange.mails == []
    assert Message.objects.get(submission__door="test").state == "queued"


def test_nobody_else_gets_a_test_and_ineligible_content_none(office: HipaaOffice) -> None:
    """Not free text, not somebody without a role here, not a mailbox elsewhere, not a subject with a condition."""
    send, domain = office.ready(), office.sender.domain.name
    stranger = make_user(make_account(), email=f"stranger@{domain}")
    elsewhere = make_user(office.clinic.account, email="colleague@example.org")
    for person in (f"amir@{domain}", stranger.pk, elsewhere.pk, ""):
        assert office.author.post(url(send, "test"), {"person": person, "row": "typical"}).status_code == 200
    assert office.approver.post(url(send, "test"), {"person": office.clinic.approver.id}).status_code == 403
    make_version(
        office.template, subject="Your oncology visit", source=office.version.source, variables=office.version.variables
    )
    bad = office.ready()
    answer = office.author.post(url(bad, "test"), {"person": office.clinic.approver.id, "row": "typical"})
    assert "seems to name protected information" in " ".join(answer.content.decode().split())
    assert not Submission.objects.filter(door="test").exists()
