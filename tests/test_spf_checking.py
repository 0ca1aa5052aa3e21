"""SPF as a receiver asks it (RFC 7208 §4 to §7): by a real DNS server on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from campaigns.domains.lookup import Dns
from campaigns.domains.spf_checking import check_host
from tests.dns_server import DnsServer


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer() as found:
        yield found


def check(server: DnsServer, record: str, remote: str = "192.0.2.10", **told: str) -> str:
    server.publish("example.org", [record])
    told = {"mail_from": "ann@example.org", "helo": "mx.example.org"} | told
    return str(check_host(remote, dns=Dns(server.resolver), **told)[0])


@pytest.mark.parametrize(
    ("record", "remote", "result"),
    [
        ("v=spf1 ip4:192.0.2.0/24 -all", "192.0.2.10", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "::ffff:192.0.2.10", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 -all", "198.51.100.1", "fail"),
        ("v=spf1 ip4:192.0.2.0/24 ~all", "198.51.100.1", "softfail"),
        ("v=spf1 ip6:2001:db8::/32 ?all", "2001:db8::1", "pass"),
        ("v=spf1 ip6:2001:db8::/32", "192.0.2.10", "neutral"),
        ("v=spf1 +all -ip4:192.0.2.10", "192.0.2.10", "pass"),
        ("v=spf1 ip4:nonsense -all", "192.0.2.10", "permerror"),
        ("v=spf2.0/pra -all", "192.0.2.10", "none"),
        ("v=spf1 -all", "", "none"),
    ],
)
def test_networks_and_the_end_of_a_record(server: DnsServer, record: str, remote: str, result: str) -> None:
    assert check(server, record, remote) == result


def test_addresses_and_mail_servers_of_a_domain(server: DnsServer) -> None:
    server.address("example.org", "192.0.2.99")
    server.mail_servers("example.org", "10 mx1.example.org")
    server.address("mx1.example.org", "192.0.2.8")
    assert check(server, "v=spf1 a -all") == "fail"
    assert check(server, "v=spf1 a/24 -all") == "pass"
    assert check(server, "v=spf1 mx -all", "192.0.2.8") == "pass"
    assert check(server, "v=spf1 mx:example.org/29 -all") == "pass"


def test_included_and_redirected_records(server: DnsServer) -> None:
    server.publish("a.example", ["v=spf1 ip4:192.0.2.10 -all"])
    server.publish("b.example", ["v=spf1 -all"])
    assert check(server, "v=spf1 include:b.example include:a.example -all") == "pass"
    assert check(server, "v=spf1 include:b.example ~all") == "softfail"
    assert check(server, "v=spf1 redirect=a.example") == "pass"
    assert check(server, "v=spf1 include:nothing.example -all") == "permerror"
    assert check(server, "v=spf1 redirect=example.org") == "permerror"


def test_macros_name_the_sender_and_the_host(server: DnsServer) -> None:
    """RFC 7208 §7.4."""
    server.address("10.2.0.192._ip.ann._spf.example.org", "127.0.0.2")
    assert check(server, "v=spf1 exists:%{ir}._ip.%{l}._spf.%{d2} -all") == "pass"
    assert check(server, "v=spf1 exists:%{ir}._ip.%{l}._spf.%{d2} -all", mail_from="bob@example.org") == "fail"


def test_a_report_is_judged_by_its_greeting(server: DnsServer) -> None:
    """RFC 7208 §2.4."""
    server.publish("mx.example.org", ["v=spf1 ip4:192.0.2.10 -all"])
    assert check(server, "v=spf1 -all", mail_from="") == "pass"


def test_too_many_questions_and_empty_answers_end_the_check_sp_02(server: DnsServer) -> None:
    many = " ".join(f"exists:n{number}.example" for number in range(11))
    assert check(server, f"v=spf1 {many} -all") == "permerror"
    assert check(server, "v=spf1 a:x1.example a:x2.example a:x3.example ip4:192.0.2.10 -all") == "permerror"
    assert check(server, "v=spf1 a:x1.example a:x2.example ip4:192.0.2.10 -all") == "pass"


def test_dns_that_does_not_answer_is_no_verdict_sp_04(server: DnsServer) -> None:
    server.broken.add("down.example")
    assert check(server, "v=spf1 include:down.example -all") == "temperror"
