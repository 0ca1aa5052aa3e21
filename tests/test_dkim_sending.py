"""What a receiver finds: campaigns as they arrive at a real SMTP server, their signatures verified against a real DNS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy

import dkim
import pytest
from django.utils import timezone

from campaigns.domains.creation import create_domain
from campaigns.domains.expected import expected_records
from campaigns.domains.rotation import start_rotation
from campaigns.domains.verification import verify_domain
from campaigns.models import Account, Domain, Transport
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.transports import seal_config
from campaigns.planning import fanout, sending
from tests.dns_server import DnsServer
from tests.factories import make_account, make_campaign, make_contact, make_list, make_sender, make_version
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.django_db
LINES = (".", ".com", "From here", "two  blanks", "a\ttab", "trailing ", "ž" * 40, "", "x" * 300, "")
HTML = (
    "<html><body><pre>" + "\n".join(LINES) + "</pre><p>Hello {{ first_name }}</p><p>{{ account_name }}, "
    '{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>\n\n\n'
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def domain(server: ScriptedServer, dns: DnsServer) -> Domain:
    """A verified domain of an account whose only way out is the relay."""
    account: Account = make_account()
    account.transports.all().delete()
    relay = Transport(account=account, name="Relay", kind="smtp", is_default=True)
    relay.config_sealed = seal_config(relay, config={"host": "127.0.0.1", "port": server.port, "tls": "none"})
    relay.save()
    domain = create_domain(account, name="news.example.com")
    publish(dns, domain)
    return domain


def publish(dns: DnsServer, domain: Domain) -> None:
    dns.publish_all(expected_records(domain))
    assert verify_domain(domain, resolver=dns.resolver, now=timezone.now())


def send(domain: Domain, *, people: int = 3) -> None:
    account = domain.account
    readers = make_list(account)
    for number in range(people):
        make_contact(
            account, f"r{number}@bücher{account.contacts.count()}.example", lists=[readers], first_name="Žydrė"
        )
    sender = make_sender(account, domain=domain, name=f"Žmonės & knygos {readers.pk}")
    campaign = make_campaign(account, lists=[readers], sender=sender, content=make_version(account, source=HTML))
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)


def verdict(mail: bytes, dns: DnsServer) -> list[bool]:
    """What a receiver who asks DNS makes of each signature."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        (record,) = dns.records[name.decode("ascii").removesuffix("."), "TXT"]
        return record.replace('" "', "").strip('"').encode()

    count = len(re.findall(rb"^DKIM-Signature:", mail, re.MULTILINE))
    texts = [mail.replace(b"DKIM-Signature:", b"X-Other:", index) for index in range(count)]
    return [bool(dkim.verify(text, dnsfunc=look_up)) for text in texts]


def test_every_mail_of_a_campaign_arrives_with_a_good_signature(
    domain: Domain, dns: DnsServer, server: ScriptedServer
) -> None:
    """DK-03: over the bytes on the wire, dots and blanks and all."""
    send(domain)
    assert len(server.mails) == 3
    assert [verdict(data, dns) for _, data in server.mails] == [[True]] * 3


def test_the_signature_speaks_for_the_from_address(domain: Domain, server: ScriptedServer) -> None:
    """DK-04."""
    send(domain, people=1)
    ((_, data),) = server.mails
    mail = message_from_bytes(data, policy=policy.default)
    assert mail["From"].addresses[0].domain == "news.example.com"
    assert " d=news.example.com;" in " ".join(mail["DKIM-Signature"].split())


def test_no_campaign_leaves_unsigned_while_keys_change(domain: Domain, dns: DnsServer, server: ScriptedServer) -> None:
    """DK-06, DK-07."""
    start_rotation(domain)
    send(domain, people=1)
    publish(dns, domain)
    send(domain, people=1)
    start_rotation(domain, algorithm="ed25519")
    send(domain, people=1)
    publish(dns, domain)
    send(domain, people=1)
    assert [verdict(data, dns) for _, data in server.mails] == [[True], [True], [True], [True, True]]
    selectors = [re.findall(rb"\bs=(\w+);", data)[0] for _, data in server.mails]
    assert selectors[0] != selectors[1]
    assert selectors[1] == selectors[2] == selectors[3]
