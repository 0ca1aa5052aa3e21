"""What is known of addresses by their looks alone."""

from __future__ import annotations

import pytest

from campaigns.audiences.mail_servers import Reach, ask_reach
from campaigns.audiences.wellknown import is_disposable, is_role, suggest_domain
from tests.dns_server import DnsServer


@pytest.mark.parametrize("domain", ["gmial.com", "gmai.com", "gmail.co", "gmaill.com", "gmail.cmo", "hmail.com"])
def test_one_slip_is_taken_for_a_typo(domain: str) -> None:
    assert suggest_domain(domain, is_dead=False) == "gmail.com"


@pytest.mark.parametrize(("domain", "meant"), [("htomial.com", "hotmail.com"), ("outlokc.com", "outlook.com")])
def test_two_slips_are_one_too_many_in_a_domain_that_takes_mail(domain: str, meant: str) -> None:
    assert suggest_domain(domain, is_dead=False) == ""
    assert suggest_domain(domain, is_dead=True) == meant


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "mail.com", "email.com", "ymail.com", "gmx.com", "yahoo.de", "hotmail.co.uk", "outlook.fr", "x.example",
     "me.com", "a.com", "xn--gmil-6na.com"],
)  # fmt: skip
def test_domains_that_are_real_are_left_alone(domain: str) -> None:
    assert suggest_domain(domain, is_dead=False) == ""


@pytest.mark.parametrize(
    ("domain", "verdict"),
    [
        ("mailinator.com", True),
        ("a.mailinator.com", True),
        ("notmailinator.com", False),
        ("com", False),
        ("x.example", False),
    ],
)
def test_mailboxes_to_throw_away_are_known_by_their_domain(domain: str, verdict: bool) -> None:
    assert is_disposable(domain) is verdict


@pytest.mark.parametrize(
    ("local", "verdict"), [("info", True), ("INFO", True), ("sales+spring", True), ("infos", False), ("ann", False)]
)
def test_offices_are_known_by_their_name(local: str, verdict: bool) -> None:
    assert is_role(local) is verdict


def test_a_domain_takes_mail_by_a_server_or_by_an_address() -> None:
    with DnsServer() as dns:
        dns.records["a.example", "MX"] = ["10 mx.a.example."]
        dns.records["b.example", "AAAA"] = ["2001:db8::1"]
        dns.records["c.example", "MX"] = ["0 ."]
        dns.records["d.example", "TXT"] = ['"v=spf1 -all"']
        dns.alias("e.example", "a.example")
        dns.broken.add("f.example")
        dns.silent.add("g.example")
        found = [ask_reach(f"{letter}.example", resolver=dns.resolver) for letter in "abcdefgh"]
    takes, refuses, silent = Reach.TAKES_MAIL, Reach.REFUSES_MAIL, Reach.NO_ANSWER
    assert found == [takes, takes, refuses, refuses, takes, silent, silent, refuses]
