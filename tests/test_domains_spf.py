"""SPF against a real DNS server: what is wrong is named, and the record that would be right is shown (evil input 36)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.domains import spf
from campaigns.domains.judging import Judgement
from campaigns.domains.lookup import Dns
from campaigns.domains.spf import Term, read_term, read_terms
from campaigns.domains.spf_judging import build_record, judge_spf
from tests.dns_server import DnsServer

HOST, OURS = "bounces.example.com", "include:spf.relay.example"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """With the record of our relay, and some servers around the domain."""
    with DnsServer() as server:
        server.publish("spf.relay.example", ["v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all"])
        server.address(HOST, "198.51.100.1")
        server.mail_servers(HOST, "10 mx.example.com")
        server.address("mx.example.com", "198.51.100.2", "2001:db8:1::2")
        yield server


def wanted(words: str = OURS) -> list[Term]:
    terms, unreadable = read_terms(f"v=spf1 {words}")
    assert not unreadable
    return terms


def judge(server: DnsServer, *texts: str, ours: str = OURS, is_shared: bool = True) -> Judgement:
    server.publish(HOST, *([text[at : at + 255] for at in range(0, len(text), 255)] for text in texts))
    found = judge_spf(host=HOST, wanted=wanted(ours), is_shared=is_shared, dns=Dns(server.resolver))
    assert found is not None
    return found


def many(server: DnsServer, number: int) -> str:
    """That many includes, one look-up each."""
    for count in range(number):
        server.publish(f"s{count}.example.net", ["v=spf1 ip4:203.0.113.7 -all"])
    return " ".join(f"include:s{count}.example.net" for count in range(number))


# --- What is right ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"v=spf1 {OURS} ~all",
        f"v=spf1 a mx {OURS} -all",
        f"v=spf1 +{OURS} -all exp=explain.example.com",
        "v=spf1 include:outer.example.com -all",
        "V=SPF1 Include:SPF.Relay.Example. ~ALL",
        "v=spf1 redirect=outer.example.com",
    ],
)
def test_a_record_that_leads_to_ours_passes(dns: DnsServer, text: str) -> None:
    """SP-01."""
    dns.publish("outer.example.com", [f"v=spf1 {OURS} ~all"])
    assert judge(dns, text).code == "spf.ok"


@pytest.mark.parametrize(
    "ours", ["ip4:192.0.2.77", "ip4:192.0.2.64/26", "ip6:2001:db8::25", "ip4:192.0.2.1 ip6:2001:db8::1"]
)
def test_an_address_is_found_in_the_networks_a_record_leads_to(dns: DnsServer, ours: str) -> None:
    assert judge(dns, f"v=spf1 {OURS} ~all", ours=ours).code == "spf.ok"


@pytest.mark.parametrize(
    ("record", "ours", "code"),
    [
        ("a", "ip4:198.51.100.1", "spf.ok"),
        ("mx", "ip4:198.51.100.2", "spf.ok"),
        ("mx/24", "ip4:198.51.100.99", "spf.ok"),
        ("mx//64", "ip6:2001:db8:1::99", "spf.ok"),
        ("a", "ip4:198.51.100.2", "spf.ours-missing"),
        ("ip4:198.51.100.0/25", "ip4:198.51.100.0/24", "spf.ours-missing"),
        ("-ip4:198.51.100.1", "ip4:198.51.100.1", "spf.ours-missing"),
        ("a:mail.example.com", "a:mail.example.com", "spf.ok"),
    ],
)
def test_addresses_behind_names_count(dns: DnsServer, record: str, ours: str, code: str) -> None:
    dns.address("mail.example.com", "198.51.100.9")
    assert judge(dns, f"v=spf1 {record} -all", ours=ours).code == code


def test_strings_are_joined_without_a_blank(dns: DnsServer) -> None:
    """SP-03."""
    dns.publish(HOST, ["v=spf1 include:spf.re", "lay.example ~all"])
    found = judge_spf(host=HOST, wanted=wanted(), dns=Dns(dns.resolver))
    assert found is not None
    assert found.code == "spf.ok"


def test_nobody_said_which_servers_send(dns: DnsServer) -> None:
    assert (found := judge(dns, "v=spf1 mx -all", ours="")).ok
    assert found.code == "spf.servers-unknown"
    dns.records.pop((HOST, "TXT"))
    missing = judge_spf(host=HOST, wanted=[], dns=Dns(dns.resolver))
    assert missing is not None
    assert (missing.ok, missing.code, missing.fix) == (False, "spf.unknown-servers", "")


# --- What is wrong, and what would be right -----------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "code", "fix"),
    [
        ([], "spf.missing", f"v=spf1 {OURS} ~all"),
        (["google-site-verification=abc"], "spf.missing", f"v=spf1 {OURS} ~all"),
        (
            ["v=spf1 include:a.example.net ~all", "v=spf1 ip4:203.0.113.9 -all"],
            "spf.several-records",
            f"v=spf1 include:a.example.net ip4:203.0.113.9 {OURS} ~all",
        ),
        (
            [f"v=spf1 {OURS} -all", "v=spf1 redirect=b.example.net"],
            "spf.several-records",
            f"v=spf1 {OURS} include:b.example.net -all",
        ),
        ([f"v=spf1 {OURS} +all"], "spf.allows-everybody", f"v=spf1 {OURS} ~all"),
        ([f"v=spf1 {OURS} all"], "spf.allows-everybody", f"v=spf1 {OURS} ~all"),
        (["v=spf1 mx -all"], "spf.ours-missing", f"v=spf1 mx {OURS} -all"),
        (["v=spf1 -all"], "spf.ours-missing", f"v=spf1 {OURS} -all"),
        ([f"v=spf1 ?{OURS} -all"], "spf.ours-missing", f"v=spf1 {OURS} -all"),
        ([f"v=spf1 mx ~all {OURS}"], "spf.after-all", f"v=spf1 mx {OURS} ~all"),
        (['"v=spf1 mx ~all"'], "spf.damaged", f"v=spf1 mx {OURS} ~all"),
        (["v=spf1\u00a0mx ~all"], "spf.damaged", f"v=spf1 mx {OURS} ~all"),
        ([" v=spf1 mx ~all"], "spf.damaged", f"v=spf1 mx {OURS} ~all"),
        (["v = spf1 mx ~all"], "spf.damaged", f"v=spf1 mx {OURS} ~all"),
        (["v=spf1 mxinclude:a.example.net ~all"], "spf.glued", f"v=spf1 mx include:a.example.net {OURS} ~all"),
        (["v=spf1 ip4:203.0.113.9-all"], "spf.glued", f"v=spf1 ip4:203.0.113.9 {OURS} -all"),
        (["v=spf1 ipv4:203.0.113.9 ~all"], "spf.unreadable", f"v=spf1 ip4:203.0.113.9 {OURS} ~all"),
        (["v=spf1 ip:203.0.113.9 ~all"], "spf.unreadable", f"v=spf1 ip4:203.0.113.9 {OURS} ~all"),
        (["v=spf1 include=a.example.net ~all"], "spf.unreadable", f"v=spf1 include:a.example.net {OURS} ~all"),
        (["v=spf1 ip4:999.1.1.1 mx ~all"], "spf.unreadable", f"v=spf1 mx {OURS} ~all"),
        (["v=spf1 spf.relay.example ~all"], "spf.unreadable", f"v=spf1 {OURS} ~all"),
        (["v=spf1 include:gone.example.net mx ~all"], "spf.broken-include", f"v=spf1 mx {OURS} ~all"),
        (["v=spf1 include:two.example.net ~all"], "spf.broken-include", f"v=spf1 {OURS} ~all"),
        (["v=spf1 include:circle.example.net ~all"], "spf.broken-include", f"v=spf1 {OURS} ~all"),
        (["v=spf1 include:bad.example.net ~all"], "spf.broken-include", f"v=spf1 {OURS} ~all"),
        (
            ["v=spf1 a:n1.example.net a:n2.example.net mx:n3.example.net mx ~all"],
            "spf.void-lookups",
            f"v=spf1 mx {OURS} ~all",
        ),
    ],
    ids=[
        "nothing", "other texts", "two records", "two, one redirects", "+all", "all", "ours missing", "empty record",
        "ours only half", "ours behind all", "quotes", "hard blank", "leading blank", "blanks in v", "glued", "glued all",
        "ipv4:", "ip:", "include=", "no address", "bare name", "include of nothing", "include of two", "include in a circle",
        "include of an error", "void look-ups",
    ],
)  # fmt: skip
def test_a_fault_has_its_name_and_the_record_that_would_be_right(
    dns: DnsServer, texts: list[str], code: str, fix: str
) -> None:
    """SP-02, SP-03, evil input 36."""
    dns.publish("two.example.net", ["v=spf1 -all"], ["v=spf1 ~all"])
    dns.publish("circle.example.net", ["v=spf1 include:round.example.net -all"])
    dns.publish("round.example.net", ["v=spf1 include:circle.example.net -all"])
    dns.publish("bad.example.net", ["v=spf1 ip4:nonsense -all"])
    found = judge(dns, *texts)
    assert (found.ok, found.code) == (False, code)
    assert found.fix == fix


def test_the_corrected_record_is_right(dns: DnsServer) -> None:
    for text in ("v=spf1 mx ~all", "v=spf1 +all", '"v=spf1 mx ~all"', "v=spf1 a:gone.example.net mx ?all"):
        assert judge(dns, judge(dns, text).fix or text).ok


@pytest.mark.parametrize(("number", "code"), [(9, "spf.ok"), (10, "spf.too-many-lookups")])
def test_ten_look_ups_are_the_limit(dns: DnsServer, number: int, code: str) -> None:
    """SP-02: ours makes it one more; 10 are fine, 11 are not."""
    found = judge(dns, f"v=spf1 {OURS} {many(dns, number)} ~all")
    assert found.code == code


def test_look_ups_of_included_records_count(dns: DnsServer) -> None:
    """SP-02: nested."""
    dns.publish("outer.example.com", [f"v=spf1 {many(dns, 9)} -all"])
    found = judge(dns, f"v=spf1 {OURS} include:outer.example.com ~all")
    assert found.code == "spf.too-many-lookups"
    assert "11 look-ups" in found.text
    assert "include:outer.example.com (10)" in found.text


def test_a_record_that_asks_too_much_is_made_cheaper_without_losing_a_server(dns: DnsServer) -> None:
    """Evil input 36: eleven look-ups."""
    found = judge(dns, f"v=spf1 a mx ptr {OURS} {many(dns, 8)} -all")
    assert found.code == "spf.too-many-lookups"
    assert found.fix.startswith("v=spf1 ip4:198.51.100.1 ip4:198.51.100.2 ip6:2001:db8:1::2 include:spf.relay.example")
    assert judge(dns, found.fix).code == "spf.ok"


def test_where_no_room_is_left_our_mail_gets_a_name_of_its_own(dns: DnsServer) -> None:
    found = judge(dns, f"v=spf1 {many(dns, 11)} -all")
    assert (found.fix_host, found.fix) == (f"bounces.{HOST}", f"v=spf1 {OURS} ~all")
    alone = judge(dns, f"v=spf1 {many(dns, 11)} -all", is_shared=False)
    assert (alone.fix_host, alone.fix) == ("", f"v=spf1 {OURS} ~all")


def test_two_void_look_ups_are_fine(dns: DnsServer) -> None:
    """SP-02."""
    assert judge(dns, f"v=spf1 a:n1.example.net a:n2.example.net {OURS} ~all").code == "spf.ok"


def test_more_than_ten_mail_servers_are_an_error(dns: DnsServer) -> None:
    """SP-02."""
    dns.mail_servers("crowd.example.net", *(f"10 mx{number}.example.net" for number in range(11)))
    found = judge(dns, f"v=spf1 mx:crowd.example.net {OURS} ~all")
    assert (found.code, "more than 10 mail servers" in found.text) == ("spf.broken-include", True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"v=spf1 {OURS} ptr ~all", "spf.ptr"),
        (f"v=spf1 {OURS}", "spf.open-end"),
        (f"v=spf1 {OURS} ?all", "spf.neutral"),
    ],
)
def test_a_record_that_works_may_still_carry_a_hint(dns: DnsServer, text: str, code: str) -> None:
    """SP-03: ptr is warned of."""
    found = judge(dns, text)
    assert (found.ok, found.code, found.fix) == (True, code, f"v=spf1 {OURS} ~all")


@pytest.mark.parametrize("how", ["broken", "silent"])
@pytest.mark.parametrize("place", [HOST, "spf.relay.example"])
def test_a_server_that_does_not_answer_is_no_fault(dns: DnsServer, how: str, place: str) -> None:
    """SP-04."""
    dns.publish(HOST, [f"v=spf1 {OURS} ~all"])
    getattr(dns, how).add(place)
    assert judge_spf(host=HOST, wanted=wanted(), dns=Dns(dns.resolver)) is None


def test_macros_are_counted_and_not_followed(dns: DnsServer) -> None:
    found = judge(dns, f"v=spf1 exists:%{{i}}._spf.example.net {OURS} ~all")
    assert (found.code, "2 of 10" in found.text) == ("spf.ok", True)


def test_a_chain_without_end_comes_to_an_end(dns: DnsServer) -> None:
    for number in range(80):
        dns.publish(f"c{number}.example.net", [f"v=spf1 include:c{number + 1}.example.net -all"])
    found = judge(dns, f"v=spf1 {OURS} include:c0.example.net ~all")
    assert found.code in {"spf.too-many-lookups", "spf.broken-include"}


# --- Terms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    ["all:x", "include", "include:", "exists:", "ip4", "ip4:", "ip4:::1", "ip6:1.2.3.4", "a:b c", "mx=5", "foo", "foo:bar",
     "-", "redirect=", "a:-", "include:exa mple", "ip4:1.2.3.4/33", ":", "=x", "a/x"],
)  # fmt: skip
def test_what_is_no_term_is_refused(word: str) -> None:
    assert read_term(word) is None or word == "a/x"


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_whatever_a_record_holds_it_is_read_or_refused(text: str) -> None:
    terms, unreadable = read_terms(f"v=spf1 {text}")
    assert all(isinstance(word, str) for word in unreadable)
    assert build_record(terms).startswith("v=spf1 ")
    assert spf.is_record(build_record(terms))
