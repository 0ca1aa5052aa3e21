"""A campaign's mail as a receiver judges it: SpamAssassin with its own DKIM, SPF and DMARC, against a real DNS server."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path

import pytest
from django.test import override_settings
from django.utils import timezone

from campaigns.domains.creation import create_domain
from campaigns.domains.expected import all_records
from campaigns.domains.sending import change_sending
from campaigns.domains.verification import verify_domain
from campaigns.models import Domain, Transport
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.transports import seal_config
from campaigns.planning import fanout, sending
from tests.dns_server import DnsServer
from tests.factories import make_account, make_campaign, make_contact, make_list, make_sender, make_version
from tests.smtp_server import ScriptedServer

SPAMASSASSIN = shutil.which("spamassassin", path="/usr/bin:/usr/local/bin")
_CHECKS = ("Mail/SPF.pm", "Mail/DMARC/PurePerl.pm")
IS_COMPLETE = SPAMASSASSIN is not None and all((Path("/usr/share/perl5") / name).exists() for name in _CHECKS)
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not IS_COMPLETE, reason="needs Debian's spamassassin, libmail-spf-perl and libmail-dmarc-perl"),
]


@dataclass(frozen=True)
class Arrived:
    path: str
    data: bytes


OURS, STRANGER = "45.83.220.25", "45.83.221.9"
HTML = (
    "<html><body><h1>What is new in the shop</h1><p>Dear {{ first_name }},</p><p>this month we put twelve new books on the "
    "shelf beside the window, and on Thursday evening a reader of ours tells how she learned to bind them by hand.</p>"
    '<p><a href="https://www.example.com/november">See what arrived in November</a></p><p>Yours, the people of the shop</p>'
    '<p>{{ account_name }}, {{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def mail(dns: DnsServer) -> Arrived:
    """What arrived at the next hop."""
    server = ScriptedServer()
    server.start()
    with override_settings(SPF_TERMS=[f"ip4:{OURS}"], PUBLIC_URL="https://mail.example.com"):
        domain = make_domain(server)
        dns.publish_all(all_records(domain))
        # Mail::DMARC wants to see that the domain exists.
        dns.address("example.com", OURS)
        assert verify_domain(domain, resolver=dns.resolver, now=timezone.now())
        send(domain)
    server.stop()
    ((_, data),) = server.mails
    return Arrived(server.paths[0], data)


def make_domain(server: ScriptedServer) -> Domain:
    """A sending domain whose bounces go to a name below it, and a relay as the only way out."""
    account = make_account(name="Harbour Books")
    account.transports.all().delete()
    relay = Transport(account=account, name="Relay", kind="smtp", is_default=True)
    relay.config_sealed = seal_config(relay, config={"host": "127.0.0.1", "port": server.port, "tls": "none"})
    relay.save()
    domain = create_domain(account, name="example.com")
    change_sending(domain, return_path="bounces@bounces.example.com", max_per_second=None, warmup_started_on=None)
    return domain


def send(domain: Domain) -> None:
    readers = make_list(domain.account, name="Readers")
    make_contact(domain.account, "ada@receiver.example.net", lists=[readers], first_name="Ada")
    content = make_version(domain.account, subject="New on the shelf in November", source=HTML)
    sender = make_sender(domain.account, domain=domain, name="Harbour Books")
    submission = sending.send_now(make_campaign(domain.account, lists=[readers], sender=sender, content=content))
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)


@dataclass(frozen=True)
class Verdict:
    score: float
    rules: set[str]


def judge(mail: Arrived, dns: DnsServer, folder: Path, *, client: str = OURS) -> Verdict:
    """What SpamAssassin makes of the mail when this client hands it over; it asks our DNS and nobody else."""
    assert SPAMASSASSIN is not None
    config = folder / "user_prefs"
    config.write_text(
        f"dns_server {dns.place}\ndns_available yes\nskip_rbl_checks 1\nuse_bayes 0\nuse_auto_whitelist 0\n"
        "trusted_networks 192.0.2.1\ninternal_networks 192.0.2.1\nenvelope_sender_header Return-Path\n"
    )
    head = (
        f"Return-Path: <{mail.path}>\r\nReceived: from mail.example.com (mail.example.com [{client}])\r\n"
        f"\tby mx.receiver.example.net (Postfix) with ESMTP id 4XyZ12345\r\n\tfor <ada@receiver.example.net>; "
        f"{format_datetime(timezone.now())}\r\n"
    )
    told = subprocess.run(
        [SPAMASSASSIN, "-t", "-x", "-p", str(config), "--siteconfigpath=/etc/spamassassin"],
        input=head.encode() + mail.data, capture_output=True, check=True, timeout=90,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    ).stdout.decode("utf-8", "replace")  # fmt: skip
    (status,) = re.findall(r"^X-Spam-Status: ((?:.*\n)(?:[ \t].*\n)*)", told, re.MULTILINE)
    (score,) = re.findall(r"score=(-?[\d.]+)", status)
    (tests,) = re.findall(r"tests=([A-Z0-9_,\s]+)\s", status)
    return Verdict(float(score), set(re.split(r"[,\s]+", tests.strip())))


# Debian's Mail::DMARC, an implementation by others: it is told what was verified, and asks DNS for the policy.
_DMARC = """
my ($from, $dkim, $signed, $spf, $path) = @ARGV;
my $dmarc = Mail::DMARC::PurePerl->new;
$dmarc->source_ip("45.83.220.25");
$dmarc->header_from_raw("news\\@$from");
$dmarc->dkim(domain => $signed, selector => "s", result => $dkim);
$dmarc->spf(domain => $path, scope => "mfrom", result => $spf);
my $found = $dmarc->validate;
print join " ", $found->result, $found->dkim, $found->spf, ($found->published ? $found->published->p : "-");
"""


def judge_dmarc(verdict: Verdict, mail: Arrived, dns: DnsServer) -> str:
    """`pass|fail`, alignment by signature, by SPF, and the policy found in DNS."""
    (signed,) = re.findall(rb"\bd=([\w.-]+);", mail.data)
    facts = [
        "example.com",
        "pass" if "DKIM_VALID" in verdict.rules else "fail",
        signed.decode(),
        "pass" if "SPF_PASS" in verdict.rules else "fail",
        mail.path.rpartition("@")[2],
    ]
    host, _, port = dns.place.partition(":")
    env = {"PATH": "/usr/bin:/bin", "RES_NAMESERVERS": host, "RES_OPTIONS": f"port:{port}"}
    command = ["/usr/bin/perl", "-MMail::DMARC::PurePerl", "-e", _DMARC, *facts]
    return subprocess.run(command, capture_output=True, check=True, text=True, env=env, timeout=60).stdout


def test_a_campaign_passes_dkim_spf_and_dmarc_and_is_no_spam(mail: Arrived, dns: DnsServer, tmp_path: Path) -> None:
    """DK-03, SP-01, MP-02: judged by programs of others, from the records we tell people to publish."""
    verdict = judge(mail, dns, tmp_path)
    assert {"DKIM_SIGNED", "DKIM_VALID", "DKIM_VALID_AU", "SPF_PASS"} <= verdict.rules
    assert not {rule for rule in verdict.rules if rule.startswith(("MIME_", "MISSING_", "INVALID_"))}
    assert verdict.score < 2
    assert judge_dmarc(verdict, mail, dns) == "pass pass pass none"


def test_the_same_mail_from_a_strangers_server_fails_spf_and_passes_by_its_signature(
    mail: Arrived, dns: DnsServer, tmp_path: Path
) -> None:
    """SP-01: the record we show allows our server and nobody else."""
    verdict = judge(mail, dns, tmp_path, client=STRANGER)
    assert "SPF_SOFTFAIL" in verdict.rules
    assert judge_dmarc(verdict, mail, dns) == "pass pass fail none"


def test_a_changed_mail_from_a_strangers_server_fails_altogether(mail: Arrived, dns: DnsServer, tmp_path: Path) -> None:
    forged = Arrived(mail.path, mail.data.replace(b"twelve new books", b"twelve old books"))
    assert forged.data != mail.data
    verdict = judge(forged, dns, tmp_path, client=STRANGER)
    assert "DKIM_VALID" not in verdict.rules
    assert judge_dmarc(verdict, forged, dns) == "fail fail fail none"
