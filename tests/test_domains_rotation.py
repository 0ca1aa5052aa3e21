"""The life of DKIM keys against a real DNS server: at every moment receivers can verify what is on its way (DK-06)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import dkim
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connections
from django.utils import timezone

from campaigns import tasks
from campaigns.domains.creation import create_domain
from campaigns.domains.dkim import open_signer
from campaigns.domains.expected import expect_key, expected_records
from campaigns.domains.rotation import cancel_rotation, start_rotation
from campaigns.domains.upkeep import find_due, verify_due
from campaigns.domains.verification import verify_domain
from campaigns.errors import CampaignError, NotFound
from campaigns.models import DkimKey, Domain
from tests.dns_server import DnsServer
from tests.factories import make_account

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WEEK = timedelta(days=7)
State, Algorithm = DkimKey.State, DkimKey.Algorithm
MAIL = b"From: news@news.example.com\r\nSubject: Hello\r\n\r\nHello\r\n"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def domain(dns: DnsServer) -> Domain:
    """A verified domain with one key."""
    domain = create_domain(make_account(), name="news.example.com")
    publish(dns, domain)
    assert look(dns, domain)
    return domain


def publish(dns: DnsServer, domain: Domain) -> None:
    dns.publish_all(expected_records(domain))


def look(dns: DnsServer, domain: Domain, *, now: datetime = NOW) -> bool:
    return verify_domain(domain, resolver=dns.resolver, now=now)


def published_keys(domain: Domain) -> list[str]:
    return [record.kind for record in expected_records(domain) if record.kind.startswith("dkim:")]


def states(domain: Domain, algorithm: str = Algorithm.RSA) -> list[str]:
    """Oldest key first."""
    return list(domain.dkim_keys.filter(algorithm=algorithm).order_by("pk").values_list("state", flat=True))


def sign(domain: Domain) -> bytes:
    signer = open_signer(domain)
    assert signer is not None
    return signer.sign(MAIL) + MAIL


def receivers_accept(dns: DnsServer, mail: bytes) -> bool:
    """Whether somebody who asks DNS now finds the mail signed by the domain."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        (record,) = dns.records[name.decode("ascii").removesuffix("."), "TXT"]
        return record.replace('" "', "").strip('"').encode()

    return bool(dkim.verify(mail, dnsfunc=look_up))


# --- Changing the key ---------------------------------------------------------------------------


def test_the_old_key_signs_until_the_new_one_is_in_dns(dns: DnsServer, domain: Domain) -> None:
    """DK-06."""
    start_rotation(domain)
    assert states(domain) == [State.SIGNING, State.NEW]
    for hours in range(3):
        assert look(dns, domain, now=NOW + timedelta(hours=hours))
        assert states(domain) == [State.SIGNING, State.NEW]
        assert receivers_accept(dns, sign(domain))


def test_the_new_key_signs_once_dns_shows_it_and_the_old_one_stays_published(dns: DnsServer, domain: Domain) -> None:
    """DK-06: two selectors live."""
    on_its_way = sign(domain)
    start_rotation(domain)
    publish(dns, domain)
    assert look(dns, domain, now=NOW + timedelta(hours=1))
    assert states(domain) == [State.RETIRING, State.SIGNING]
    assert set(domain.dkim_keys.values_list("state_since", flat=True)) == {NOW + timedelta(hours=1)}
    assert len(published_keys(domain)) == 2
    assert receivers_accept(dns, on_its_way)
    assert receivers_accept(dns, sign(domain))


@pytest.mark.parametrize("how", ["broken", "silent"])
def test_a_server_that_does_not_answer_moves_no_key(dns: DnsServer, domain: Domain, how: str) -> None:
    """SP-04."""
    key = start_rotation(domain)
    publish(dns, domain)
    getattr(dns, how).add(expect_key(domain, key).host)
    assert look(dns, domain)
    assert states(domain) == [State.SIGNING, State.NEW]


def test_a_damaged_record_moves_no_key(dns: DnsServer, domain: Domain) -> None:
    record = expect_key(domain, start_rotation(domain))
    dns.publish(record.host, [record.value[:200]])
    assert look(dns, domain)
    assert states(domain) == [State.SIGNING, State.NEW]


def test_a_new_key_saves_a_domain_whose_old_record_is_gone(dns: DnsServer, domain: Domain) -> None:
    old = expected_records(domain)[1]
    start_rotation(domain)
    publish(dns, domain)
    del dns.records[old.host, "TXT"]
    assert look(dns, domain)
    assert receivers_accept(dns, sign(domain))


def test_a_replaced_key_is_wiped_after_seven_days_and_not_before(dns: DnsServer, domain: Domain) -> None:
    """DK-06."""
    old = domain.dkim_keys.get()
    start_rotation(domain)
    publish(dns, domain)
    look(dns, domain)
    look(dns, domain, now=NOW + WEEK - timedelta(seconds=1))
    assert states(domain) == [State.RETIRING, State.SIGNING]
    old.refresh_from_db()
    assert bytes(old.private_key_sealed)
    look(dns, domain, now=NOW + WEEK)
    assert states(domain) == [State.RETIRED, State.SIGNING]
    old.refresh_from_db()
    assert bytes(old.private_key_sealed) == b""
    assert published_keys(domain) != [f"dkim:{old.selector}"]
    assert len(published_keys(domain)) == 1


def test_people_are_told_that_an_old_record_may_go_until_it_is_gone(dns: DnsServer, domain: Domain) -> None:
    old = expected_records(domain)[1]
    start_rotation(domain)
    publish(dns, domain)
    look(dns, domain)
    look(dns, domain, now=NOW + WEEK)
    assert domain.findings.get(record=old.kind).code == "dkim.removable"
    del dns.records[old.host, "TXT"]
    assert look(dns, domain, now=NOW + WEEK)
    assert not domain.findings.filter(record=old.kind).exists()


def test_a_retired_key_cannot_keep_its_private_part(domain: Domain) -> None:
    """DK-06: whatever code forgets, the database does not."""
    with pytest.raises(IntegrityError):
        domain.dkim_keys.update(state=State.RETIRED)


def test_keys_are_changed_one_after_the_other(dns: DnsServer, domain: Domain) -> None:
    first = start_rotation(domain)
    with pytest.raises(CampaignError) as caught:
        start_rotation(domain)
    assert (caught.value.code, caught.value.status) == ("domain.rotation-running", 409)
    publish(dns, domain)
    look(dns, domain)
    start_rotation(domain)
    publish(dns, domain)
    assert look(dns, domain)
    assert states(domain) == [State.RETIRING, State.RETIRING, State.SIGNING]
    assert first.selector in {record.kind.removeprefix("dkim:") for record in expected_records(domain)}


def test_a_change_can_be_called_off_before_it_happens(dns: DnsServer, domain: Domain) -> None:
    cancel_rotation(domain, selector=start_rotation(domain).selector)
    assert states(domain) == [State.SIGNING]
    assert look(dns, domain)
    assert len(published_keys(domain)) == 1


def test_the_key_in_use_cannot_be_called_off(domain: Domain) -> None:
    with pytest.raises(NotFound):
        cancel_rotation(domain, selector=domain.dkim_keys.get().selector)
    assert states(domain) == [State.SIGNING]


@pytest.mark.django_db(transaction=True)
def test_looks_at_the_same_moment_leave_one_key_that_signs(dns: DnsServer, domain: Domain) -> None:
    start_rotation(domain)
    publish(dns, domain)

    def look_beside_others(_: int) -> bool:
        try:
            return look(dns, Domain.objects.get(pk=domain.pk))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(look_beside_others, range(4)))
    assert states(domain) == [State.RETIRING, State.SIGNING]


# --- The second signature -----------------------------------------------------------------------


def test_an_ed25519_signature_is_added_once_its_record_is_there(dns: DnsServer, domain: Domain) -> None:
    """DK-07: mail leaves with one signature until then, and with two afterwards."""
    start_rotation(domain, algorithm=Algorithm.ED25519)
    assert look(dns, domain)
    assert sign(domain).count(b"DKIM-Signature:") == 1
    publish(dns, domain)
    assert look(dns, domain)
    assert sign(domain).count(b"DKIM-Signature:") == 2
    assert states(domain) == [State.SIGNING]


def test_the_domain_stays_verified_when_only_the_second_signature_lost_its_record(
    dns: DnsServer, domain: Domain
) -> None:
    key = start_rotation(domain, algorithm=Algorithm.ED25519)
    publish(dns, domain)
    look(dns, domain)
    del dns.records[expect_key(domain, key).host, "TXT"]
    assert look(dns, domain)
    assert domain.findings.get(record=f"dkim:{key.selector}").code == "dkim.missing"


# --- Without anybody asking ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "verified", "checked", "has_new_key", "is_due"),
    [
        (0, False, None, False, True),
        (0, False, 0.5, False, False),
        (0, False, 1, False, True),
        (3, False, 2, False, False),
        (3, False, 6, False, True),
        (15, False, 6, False, False),
        (31, False, 2, False, False),
        (31, False, 24, False, True),
        (31, True, 2, False, False),
        (31, True, 24, False, True),
        (31, True, 1, True, True),
        (31, True, 0.5, True, False),
        (0, True, None, False, False),
    ],
    ids=["fresh", "just looked", "an hour ago", "slower", "slower, six hours ago", "slower still", "given up", "given up, daily", "settled", "settled, daily",
         "key to be published", "key, just looked", "verified by hand"],
)  # fmt: skip
def test_a_domain_is_looked_at_when_it_is_due(
    domain: Domain, age: int, verified: bool, checked: float | None, has_new_key: bool, is_due: bool
) -> None:
    if has_new_key:
        start_rotation(domain)
    Domain.objects.update(
        created_at=NOW - timedelta(days=age),
        verified_at=NOW - timedelta(days=age) if verified else None,
        checked_at=None if checked is None else NOW - timedelta(hours=checked),
    )
    assert find_due(now=NOW) == ([domain] if is_due else [])


@pytest.mark.parametrize(("failed", "lost", "is_due"), [(1, False, True), (0, False, False), (0, True, True)])
def test_trouble_is_looked_at_soon(domain: Domain, failed: int, lost: bool, is_due: bool) -> None:
    looked = NOW - (timedelta(hours=1) if lost else timedelta(minutes=16))
    Domain.objects.update(
        created_at=NOW - timedelta(days=90),
        verified_at=None if lost else NOW - timedelta(days=80),
        lost_at=looked if lost else None,
        failed_looks=failed,
        checked_at=looked,
    )
    assert find_due(now=NOW) == ([domain] if is_due else [])


def test_a_key_is_changed_without_anybody_looking(dns: DnsServer, domain: Domain) -> None:
    """DK-06: from publishing the record to the wiped key only time passes."""
    start_rotation(domain)
    publish(dns, domain)
    for day in range(1, 9):
        verify_due(resolver=dns.resolver, now=NOW + timedelta(days=day))
    assert states(domain) == [State.RETIRED, State.SIGNING]


def test_a_domain_nobody_answers_for_does_not_keep_others_waiting(dns: DnsServer, domain: Domain) -> None:
    silent = create_domain(domain.account, name="silent.example.org")
    dns.silent.update(record.host for record in expected_records(silent))
    verify_due(resolver=dns.resolver, now=NOW + timedelta(days=1))
    assert set(Domain.objects.values_list("checked_at", flat=True)) == {NOW + timedelta(days=1)}


def test_the_look_runs_by_the_clock(dns: DnsServer, domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "make_resolver", lambda: dns.resolver)
    (entry,) = [entry for entry in tasks.SCHEDULES if entry.name == "domains"]
    module, _, name = entry.job.rpartition(".")
    assert module == tasks.__name__
    start_rotation(domain)
    publish(dns, domain)
    Domain.objects.update(checked_at=timezone.now() - timedelta(hours=1))
    getattr(tasks, name)()
    assert states(domain) == [State.RETIRING, State.SIGNING]


# --- The command --------------------------------------------------------------------------------


def run(*arguments: Any) -> str:
    out = StringIO()
    call_command("rotate_dkim_key", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_prints_the_one_record_to_add(domain: Domain) -> None:
    shown = run("News.example.com")
    record = expect_key(domain, domain.dkim_keys.get(state=State.NEW))
    assert f"{record.host}. TXT {record.zone_text}" in shown
    assert expect_key(domain, domain.dkim_keys.get(state=State.SIGNING)).host not in shown


def test_the_command_adds_the_second_signature(domain: Domain) -> None:
    assert "k=ed25519" in run("news.example.com", "--account", domain.account.slug, "--ed25519")
    assert states(domain, Algorithm.ED25519) == [State.NEW]


def test_the_command_asks_which_account_is_meant(domain: Domain) -> None:
    other = create_domain(make_account(), name=domain.name)
    with pytest.raises(CommandError, match="--account"):
        run(domain.name)
    run(domain.name, "--account", other.account.slug)
    assert (states(domain), states(other)) == ([State.SIGNING], [State.SIGNING, State.NEW])


@pytest.mark.parametrize(
    "arguments", [["other.example.com"], ["news.example.com", "--account", "nobody"], ["no domain"]]
)
def test_the_command_refuses_what_it_does_not_know(domain: Domain, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        run(*arguments)
    assert states(domain) == [State.SIGNING]


def test_a_second_change_is_refused_with_what_to_do(domain: Domain) -> None:
    run(domain.name)
    with pytest.raises(CommandError, match="Publish its record"):
        run(domain.name)
