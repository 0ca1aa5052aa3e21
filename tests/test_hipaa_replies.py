"""Answers to protected mail go to a mailbox that is attested, or to nobody: on the screens and at both doors (hipaa.md S10)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from campaigns.models import HipaaSend, Message, Role, Sender, Submission
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning.hipaa import checking, starting
from compliance.agreements import replies
from compliance.models import Approval, AuditEvent, ReplyMailbox
from tests.factories import make_account, make_user
from tests.hipaa_office import HipaaOffice, statements, url
from tests.smtp_door import Client, Door, open_door

pytestmark = pytest.mark.django_db

HOST = "hipaa.test"
CODE = "hipaa.reply-to-ineligible"


@pytest.fixture
def office() -> HipaaOffice:
    """Nothing is attested yet."""
    office = HipaaOffice()
    withdraw_all(office)
    return office


def withdraw_all(office: HipaaOffice) -> None:
    clinic = office.clinic
    for row in ReplyMailbox.objects.filter(withdrawn_at=None):
        assert replies.withdraw(row, owner=clinic.owner, by=clinic.officer, now=timezone.now())


def attest(office: HipaaOffice, address: str, client: Browser | None = None) -> Any:
    place = reverse("admin:compliance_baa_replies", args=[office.clinic.account.public_id])
    return (client or office.officer).post(place, {"address": address, "attested": "on"})


def codes(send: HipaaSend) -> set[str]:
    return {finding.code for finding in checking.check_send(send, now=timezone.now())}


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


# --- The record ---------------------------------------------------------------------------------------------------


def test_an_officer_attests_a_mailbox_in_words_that_are_kept(office: HipaaOffice) -> None:
    place = reverse("admin:compliance_baa_replies", args=[office.clinic.account.public_id])
    assert replies.WORDING in text(office.officer.get(place))
    office.officer.post(place, {"address": "care@clinic.example"})
    assert not ReplyMailbox.objects.filter(withdrawn_at=None).exists()
    assert attest(office, "Care@Clinic.Example").status_code == 302
    row = ReplyMailbox.objects.get(withdrawn_at=None)
    assert (row.address, row.wording, row.attested_by_id) == (
        "care@clinic.example", replies.WORDING, office.clinic.officer.id,
    )  # fmt: skip
    event = AuditEvent.objects.get(action="replies.attested", thing_id=str(row.public_id))
    assert "clinic.example" not in str(event.data)
    page = text(office.officer.get(reverse("admin:compliance_baa_account", args=[office.clinic.account.public_id])))
    assert "care@clinic.example" in page
    assert "has attested this mailbox already" in text(attest(office, "care@clinic.example"))


def test_nobody_else_attests_or_withdraws(office: HipaaOffice) -> None:
    attest(office, "care@clinic.example")
    row = ReplyMailbox.objects.get(withdrawn_at=None)
    away = reverse("admin:compliance_baa_withdraw_replies", args=[row.public_id])
    stranger = office.sign_in(user=make_user(make_account(baa_status="active"), role=Role.COMPLIANCE))
    for client in (*(office.sign_in(role) for role in (Role.AUTHOR, Role.AUDITOR)), stranger):
        attest(office, "other@clinic.example", client)
        client.post(away, {"confirmed": "yes"})
    office.sign_in(Role.COMPLIANCE, factor=False).post(away, {"confirmed": "yes"})
    assert ReplyMailbox.objects.get(withdrawn_at=None) == row
    assert office.officer.post(away, {"confirmed": "yes"}).status_code == 302
    assert not ReplyMailbox.objects.filter(withdrawn_at=None).exists()
    assert office.officer.post(away, {"confirmed": "yes"}).status_code == 404


# --- Sends of the admin -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply_to", "attested", "may_leave"),
    [
        ("", "", False),
        ("", "SENDER", True),
        ("care@clinic.example", "SENDER", False),
        ("care@clinic.example", "care@clinic.example", True),
        ("no-reply@DOMAIN", "", True),
        ("No_Reply@DOMAIN", "", True),
        ("no-reply@freemail.example", "", False),
    ],
)
def test_a_send_is_submitted_only_when_its_answers_go_where_they_may(
    office: HipaaOffice, reply_to: str, attested: str, may_leave: bool
) -> None:
    Sender.objects.update(reply_to=reply_to.replace("DOMAIN", office.sender.domain.name))
    if attested:
        attest(office, attested.replace("SENDER", office.sender.email))
    send = office.ready()
    assert (CODE not in codes(send)) is may_leave
    office.author.post(url(send, "submit"), statements())
    assert Approval.objects.exists() is may_leave


def test_mail_waits_when_an_attestation_is_withdrawn_on_the_way(office: HipaaOffice) -> None:
    attest(office, office.sender.email)
    office.approve(office.submitted())
    starting.start_send(Approval.objects.get(), now=timezone.now())
    withdraw_all(office)
    dispatch_slice(Submission.objects.get().pk)
    assert set(Message.objects.values_list("state", flat=True)) == {"queued"}
    assert "nobody has attested" in text(office.author.get(url(HipaaSend.objects.get())))
    attest(office, office.sender.email)
    dispatch_slice(Submission.objects.get().pk)
    assert set(Message.objects.values_list("state", flat=True)) == {"sent"}


# --- The doors ----------------------------------------------------------------------------------------------------


def test_the_endpoint_refuses_other_reply_addresses_by_a_code_with_a_fix(
    office: HipaaOffice, settings: Settings
) -> None:
    settings.HIPAA_HOSTS = [HOST]
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, HOST]
    attest(office, office.sender.email)
    attest(office, "care@clinic.example")
    secret = office.clinic.key()[1]

    def send(reply_to: str = "") -> Any:
        group = {"to": [{"destination": "ann@example.org"}]} | ({"replyTo": reply_to} if reply_to else {})
        content = {"subject": "A message from your clinic", "text": "Hello"}
        body = {"messages": [{"sender": office.sender.email, "destinations": [group], "content": content}]}
        headers = {"host": HOST, "authorization": f"App {secret}"}
        return Browser().post("/email/4/messages", body, "application/json", headers=headers, secure=True)

    assert [send(to).status_code for to in ("", "care@clinic.example")] == [200, 200]
    assert send(f"noreply@{office.sender.domain.name}").status_code == 200
    answer = send("inbox@crm.example")
    assert (answer.status_code, answer.json()["errorCode"]) == (403, CODE)
    assert "Compliance › Agreements" in answer.json()["action"]
    assert "crm.example" not in answer.content.decode()
    assert [event.data["code"] for event in AuditEvent.objects.filter(action="hipaa.blocked")] == [CODE]
    assert Message.objects.count() == 3


@pytest.fixture
def door() -> Iterator[Door]:
    with open_door() as running:
        yield running


@pytest.mark.django_db(transaction=True)
def test_the_smtp_listener_reads_the_reply_to_of_the_mail_itself(door: Door, office: HipaaOffice) -> None:
    attest(office, "care@clinic.example")
    secret = office.clinic.key()[1]

    def hand_in(*reply_to: str) -> str:
        lines = [f"From: {office.sender.email}", "To: ann@example.org", "Subject: A message from your clinic"]
        data = "\r\n".join([*lines, *(f"Reply-To: {to}" for to in reply_to), "", "Hello", ""]).encode()
        with Client(door.hipaa, tls=door.trust) as client:
            assert client.log_in("App", secret).startswith("235")
            return client.mail(data, sender=office.sender.email, to=["ann@example.org"])

    assert hand_in("Care <care@clinic.example>").startswith("250")
    for refused in ((), ("inbox@crm.example",), ("care@clinic.example, inbox@crm.example",)):
        reply = hand_in(*refused)
        assert reply.startswith("550 5.7.1")
        assert reply.endswith(f"[{CODE}]")
    assert Message.objects.count() == 1
