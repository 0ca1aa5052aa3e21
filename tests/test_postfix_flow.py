"""The whole way round with real parts: our transport, Postfix, a mail exchanger that refuses, Postfix's report, our door."""

from __future__ import annotations

import pytest

from campaigns.models import (
    Campaign,
    Event,
    EventKind,
    InboundMail,
    InboundRaw,
    Message,
    MessageState,
    Suppression,
    SuppressionReason,
    Transport,
)
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.reports import campaign_report
from campaigns.outbox.transports import seal_config
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list
from tests.postfix import MISSING, start_postfix
from tests.processes import wait_until
from tests.smtp_door import open_door
from tests.smtp_server import ScriptedServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.skipif(bool(MISSING), reason=MISSING)]


def test_what_a_mail_exchanger_refuses_behind_a_relay_comes_back_into_the_figures_ds_01_ds_05() -> None:
    exchanger = ScriptedServer()
    exchanger.start()
    try:
        with open_door() as door, start_postfix(
            next_hop=exchanger.port, transports={"mail.example.org": door.inbound}
        ) as relay:  # fmt: skip
            campaign = send_through(relay)
            assert wait_until(lambda: InboundMail.objects.filter(outcome="recorded").count() == 2, seconds=60), (
                "no report came back"
            )
    finally:
        exchanger.stop()
    assert [to for to, _ in exchanger.mails] == ["fine@example.net"]
    assert dict(Message.objects.values_list("recipient", "state")) == {
        "bounce@example.net": MessageState.BOUNCED,
        "block@example.net": MessageState.BOUNCED,
        "fine@example.net": MessageState.SENT,
    }
    assert set(Event.objects.filter(kind=EventKind.BOUNCED).values_list("message__recipient", "code")) == {
        ("bounce@example.net", "bounce.no-mailbox"),
        ("block@example.net", "bounce.policy"),
    }
    gone = Message.objects.get(recipient="bounce@example.net")
    assert list(Suppression.objects.values_list("address_key", "reason")) == [
        (gone.address_key, SuppressionReason.BOUNCE)
    ]
    report = campaign_report(campaign)
    assert (report.sent, report.bounced, report.reasons) == (1, 2, {"bounce.no-mailbox": 1, "bounce.policy": 1})
    assert not InboundRaw.objects.exists()


def send_through(relay: int) -> Campaign:
    """A campaign to three people, handed over to a relay, which takes everything."""
    account = make_account()
    account.transports.all().delete()
    way_out = Transport(account=account, name="Relay", kind="smtp", is_default=True)
    way_out.config_sealed = seal_config(way_out, config={"host": "127.0.0.1", "port": relay, "tls": "none"})
    way_out.save()
    readers = make_list(account)
    for local in ("bounce", "block", "fine"):
        make_contact(account, f"{local}@example.net", lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    account.domains.update(return_path="bounces@mail.example.org")
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)
    # The relay may have been told no, and have told us, before we look.
    assert set(Message.objects.values_list("state", flat=True)) <= {MessageState.SENT, MessageState.BOUNCED}
    return campaign
