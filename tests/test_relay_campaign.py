"""A campaign that leaves the machine, as far as a real SMTP server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy

import pytest
from django.utils import timezone

from campaigns.models import Account, Campaign, CampaignState, ContactList, Message, MessageState, Transport
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.transports import seal_config
from campaigns.planning import fanout, sending, testsend
from tests.factories import make_account, make_campaign, make_contact, make_domain, make_list, make_sender, make_version
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def account(server: ScriptedServer) -> Account:
    """An account whose only way out is the relay."""
    account = make_account()
    account.transports.all().delete()
    relay = Transport(account=account, name="Relay", kind="smtp", is_default=True)
    relay.config_sealed = seal_config(relay, config={"host": "127.0.0.1", "port": server.port, "tls": "none"})
    relay.save()
    return account


@pytest.fixture
def readers(account: Account) -> ContactList:
    return make_list(account)


def send(campaign: Campaign) -> None:
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)


def test_everyone_on_the_list_gets_the_mail_over_smtp(
    account: Account, readers: ContactList, server: ScriptedServer
) -> None:
    for number in range(20):
        make_contact(account, f"r{number}@bücher.example", lists=[readers], first_name=f"Nr {number}")
    send(make_campaign(account, lists=[readers]))
    assert sorted(to for to, _ in server.mails) == sorted(f"r{n}@xn--bcher-kva.example" for n in range(20))
    to, data = server.mails[0]
    mail = message_from_bytes(data, policy=policy.default)
    assert mail["To"] == to
    assert mail.defects == []
    assert server.connections <= 10


def test_what_the_relay_says_is_what_the_ledger_says(
    account: Account, readers: ContactList, server: ScriptedServer
) -> None:
    for local in ("bounce", "defer", "hangup", "fine"):
        make_contact(account, f"{local}@example.org", lists=[readers])
    send(make_campaign(account, lists=[readers]))
    assert dict(Message.objects.values_list("recipient", "state")) == {
        "bounce@example.org": MessageState.BOUNCED,
        "defer@example.org": MessageState.QUEUED,
        "hangup@example.org": MessageState.QUEUED,
        "fine@example.org": MessageState.SENT,
    }
    assert [to for to, _ in server.mails] == ["fine@example.org"]


def test_nothing_leaves_the_machine_from_a_domain_nobody_proved(
    account: Account, readers: ContactList, server: ScriptedServer
) -> None:
    """MP-01: the sandbox alone needs no verified domain."""
    make_contact(account, lists=[readers])
    sender = make_sender(account, domain=make_domain(account, verified_at=None))
    with pytest.raises(sending.SendRefused) as refused:
        send(make_campaign(account, lists=[readers], sender=sender))
    assert [finding.code for finding in refused.value.findings] == ["sender.domain-unverified"]
    assert server.mails == []


def test_a_domain_that_loses_its_proof_after_planning_stops_the_mail_until_it_is_back(
    account: Account, readers: ContactList, server: ScriptedServer
) -> None:
    """MP-01."""
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    account.domains.update(verified_at=None)
    dispatch_slice(submission.pk)
    assert server.mails == []
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.PAUSED
    assert "not verified" in campaign.stopped_because
    assert Message.objects.get().state == MessageState.QUEUED
    account.domains.update(verified_at=timezone.now())
    sending.resume(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)
    assert len(server.mails) == 1


def test_a_test_mail_from_a_domain_that_lost_its_proof_is_refused(account: Account, server: ScriptedServer) -> None:
    """MP-01."""
    sender = make_sender(account, domain=make_domain(account, verified_at=None))
    submission = testsend.send_test(account, content=make_version(account), sender=sender, to="me@example.org")
    dispatch_slice(submission.pk)
    assert server.mails == []
    assert Message.objects.get().error_code == "sender.domain-unverified"
