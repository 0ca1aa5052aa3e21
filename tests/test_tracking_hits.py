"""Opens and clicks in the ledger: what may be kept, judged together, with figures that always equal the events."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns import tasks
from campaigns.audiences.choices import choose_tracking
from campaigns.models import (
    Account,
    Event,
    EventKind,
    HitCount,
    Message,
    Split,
    Subscription,
    Suppression,
    TrackingLevel,
    Verdict,
)
from campaigns.tracking import hit_ledger
from campaigns.tracking.buffer import BATCH, HitBuffer
from campaigns.tracking.hit_ledger import MOST_PER_MESSAGE
from campaigns.tracking.hits import RawHit, record_hits
from campaigns.tracking.record import Report, record_reports
from tests.factories import make_account
from tests.tracked import DESK, PHONE, TrackedSend, ask

pytestmark = pytest.mark.django_db

CLICKED, OPENED = EventKind.CLICKED, EventKind.OPENED
ALL_LINKS = 4


@pytest.fixture
def sent() -> TrackedSend:
    return TrackedSend()


def stored_figures() -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for row in HitCount.objects.exclude(split=Split.NAMELESS):
        key = (row.submission_id, row.split, row.part, row.kind, row.verdict)
        found[(*key, "hits")], found[(*key, "people")] = row.hits, row.people
    return +found


def counted_figures() -> Counter[tuple[Any, ...]]:
    """The same, from the events alone: each hit, and each mail under the best of its verdicts in a part."""
    found: Counter[tuple[Any, ...]] = Counter()
    seen: dict[tuple[Any, ...], set[bool | None]] = {}
    verdicts = {None: Verdict.UNKNOWN, False: Verdict.HUMAN, True: Verdict.MACHINE}
    for event in Event.objects.filter(kind__in=[OPENED, CLICKED]).select_related("message"):
        hour, device = f"{event.at.astimezone(UTC):%Y-%m-%dT%H}", f"{event.device}.{event.system}"
        parts = {Split.TOTAL: "", Split.HOUR: hour, Split.LINK: event.link, Split.DEVICE: device}
        for split, part in parts.items():
            if part is not None and part != "None.None":
                key = (event.message.submission_id, split, str(part), event.kind)
                found[(*key, verdicts[event.is_machine], "hits")] += 1
                seen.setdefault((event.message_id, key), set()).add(event.is_machine)
    for (_, key), some in seen.items():
        best = next(verdict for verdict in (False, None, True) if verdict in some)
        found[(*key, verdicts[best], "people")] += 1
    return found


def test_an_open_and_a_click_are_told_and_counted(sent: TrackedSend) -> None:
    sent.open(agent=PHONE)
    sent.click(1, agent=DESK)
    assert sent.events() == [("opened", None, False), ("clicked", 2, False)]
    assert sent.counted(OPENED) == {Verdict.HUMAN: (1, 1)}
    assert sent.counted(CLICKED, Split.LINK, "2") == {Verdict.HUMAN: (1, 1)}
    assert sent.counted(OPENED, Split.DEVICE, "2.3") == {Verdict.HUMAN: (1, 1)}
    assert stored_figures() == counted_figures()


def test_a_person_who_opens_five_times_is_one_reader(sent: TrackedSend) -> None:
    for _ in range(5):
        sent.open()
    assert sent.counted(OPENED) == {Verdict.HUMAN: (5, 1)}


def test_a_reader_whose_mailbox_fetches_ahead_counts_as_a_reader(sent: TrackedSend) -> None:
    sent.open(agent="Mozilla/5.0")
    assert sent.counted(OPENED) == {Verdict.MACHINE: (1, 1)}
    sent.open(agent=PHONE)
    assert sent.counted(OPENED) == {Verdict.MACHINE: (1, 0), Verdict.HUMAN: (1, 1)}


def test_evil_29_a_scanner_that_follows_every_link_is_a_machine_from_its_first_on(sent: TrackedSend) -> None:
    """TR-03: it gets the same answers, and changes nothing for people; TR-04: the first link is judged by the last."""
    links, unsubscribe = sent.links(), sent.html().partition("/u/")[2].partition('"')[0]
    for method in ("HEAD", "GET"):
        for path in (*links, sent.pixel()):
            assert ask(path, method=method).status_code in {200, 302}
        assert ask(f"/u/{unsubscribe}", method=method).status_code == 200
    assert {is_machine for _, _, is_machine in sent.events()} == {True}
    assert len(sent.events()) == 2 * (ALL_LINKS + 1)
    assert set(sent.counted(CLICKED)) == {Verdict.MACHINE}
    assert Subscription.objects.get().state == "subscribed"
    assert not Suppression.objects.exists()
    assert stored_figures() == counted_figures()


def test_tr_04_figures_follow_verdicts_that_change(sent: TrackedSend) -> None:
    sent.click(0)
    sent.click(1)
    assert sent.counted(CLICKED) == {Verdict.HUMAN: (2, 1)}
    sent.click(2)
    assert sent.counted(CLICKED) == {Verdict.MACHINE: (3, 1)}
    assert stored_figures() == counted_figures()


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"method": "HEAD"}, "machine.head"),
        ({"headers": {"sec-purpose": "prefetch;prerender"}}, "machine.prefetch"),
        ({"headers": {"x-moz": "prefetch"}}, "machine.prefetch"),
        ({"headers": {"referer": "https://eur01.safelinks.protection.outlook.com/?url=x"}}, "machine.rewriter"),
        ({"agent": "curl/8"}, "machine.robot"),
        ({"agent": ""}, "machine.nameless"),
    ],
)
def test_tr_02_a_request_can_give_itself_away(sent: TrackedSend, extra: dict[str, Any], code: str) -> None:
    ask(sent.links()[0], **extra)
    assert Event.objects.get(kind=CLICKED).code == code


def test_tr_04_the_sweep_finds_clicks_that_came_with_the_mail(sent: TrackedSend) -> None:
    sent.click(0)
    assert sent.counted(CLICKED) == {Verdict.HUMAN: (1, 1)}
    at = timezone.now() - timedelta(seconds=1)
    transport = sent.account.transports.get()
    record_reports([Report(sent.message().public_id, EventKind.DELIVERED, at)], transport=transport, now=timezone.now())
    tasks.sweep()
    assert sent.counted(CLICKED) == {Verdict.MACHINE: (1, 1)}
    assert Event.objects.get(kind=CLICKED).code == "machine.too-soon"


class TestWithdrawal:
    """LA-04: what a reader takes back holds for mail that has left already."""

    def withdraw(self, sent: TrackedSend, level: TrackingLevel) -> None:
        key = sent.message().address_key
        choose_tracking(sent.account.pk, address_key=key, level=level, now=timezone.now(), source="preferences")

    def test_a_hit_of_somebody_who_withdrew_is_led_on_and_forgotten(self, sent: TrackedSend) -> None:
        self.withdraw(sent, TrackingLevel.OFF)
        answer = sent.click(0)
        assert answer.status_code == 302
        sent.open()
        assert sent.events() == []
        assert sent.counted(CLICKED) == sent.counted(OPENED) == {}

    def test_one_who_allows_counting_is_counted_without_a_name(self, sent: TrackedSend) -> None:
        self.withdraw(sent, TrackingLevel.AGGREGATE)
        sent.click(0)
        assert sent.events() == []
        assert sent.counted(CLICKED) == {Verdict.HUMAN: (1, 0)}
        assert sent.counted(CLICKED, Split.NAMELESS) == {Verdict.HUMAN: (1, 0)}

    def test_who_comes_back_is_known_again(self, sent: TrackedSend) -> None:
        self.withdraw(sent, TrackingLevel.OFF)
        sent.click(0)
        self.withdraw(sent, TrackingLevel.INDIVIDUAL)
        sent.click(0)
        assert sent.events() == [("clicked", 1, False)]

    @pytest.mark.parametrize("level", [TrackingLevel.OFF, TrackingLevel.AGGREGATE])
    def test_an_account_that_lowers_its_switch_lowers_it_for_old_mail(self, sent: TrackedSend, level: int) -> None:
        Account.objects.filter(pk=sent.account.pk).update(tracking=level)
        sent.click(0)
        assert sent.events() == []
        assert bool(sent.counted(CLICKED)) == bool(level)

    def test_a_providers_own_count_obeys_the_same_choice(self, sent: TrackedSend) -> None:
        self.withdraw(sent, TrackingLevel.AGGREGATE)
        news = Report(sent.message().public_id, OPENED, key="1")
        for _ in range(2):
            record_reports([news], transport=sent.account.transports.get(), now=timezone.now())
        assert sent.events() == []
        assert sent.counted(OPENED) == {Verdict.UNKNOWN: (1, 0)}
        self.withdraw(sent, TrackingLevel.OFF)
        again = Report(sent.message().public_id, OPENED, key="2")
        record_reports([again], transport=sent.account.transports.get(), now=timezone.now())
        assert sent.counted(OPENED) == {Verdict.UNKNOWN: (1, 0)}


def test_what_a_provider_counted_is_in_the_figures_once(sent: TrackedSend) -> None:
    news = Report(sent.message().public_id, CLICKED, key="1")
    for _ in range(2):
        record_reports([news, news], transport=sent.account.transports.get(), now=timezone.now())
    assert sent.counted(CLICKED) == {Verdict.UNKNOWN: (1, 1)}
    assert stored_figures() == counted_figures()


def test_neither_address_nor_browser_is_kept(sent: TrackedSend) -> None:
    ask(sent.links()[0], agent=PHONE, REMOTE_ADDR="203.0.113.9", HTTP_X_FORWARDED_FOR="203.0.113.9")
    row = str(list(Event.objects.filter(kind=CLICKED).values()))
    for part in ("203.0.113.9", "Mozilla", "iPhone OS"):
        assert part not in row


def test_a_flood_of_opens_fills_no_ledger(sent: TrackedSend) -> None:
    raw = raw_hits(sent, MOST_PER_MESSAGE + 50)
    record_hits(raw[:150])
    record_hits(raw[150:])
    record_hits(raw)
    assert Event.objects.filter(kind=OPENED).count() == MOST_PER_MESSAGE
    assert stored_figures() == counted_figures()


def raw_hits(sent: TrackedSend, count: int) -> list[RawHit]:
    message = sent.message().public_id
    return [RawHit(timezone.now(), OPENED, sent.submission.pk, message, agent=PHONE) for _ in range(count)]


def test_hits_of_messages_and_submissions_that_are_gone_break_nothing(sent: TrackedSend) -> None:
    gone = RawHit(timezone.now(), OPENED, 987_654, UUID(int=7))
    lost = RawHit(timezone.now(), OPENED, sent.submission.pk, UUID(int=8), agent=PHONE)
    assert record_hits([gone, lost, *raw_hits(sent, 1)]) == 2
    assert sent.counted(OPENED) == {Verdict.HUMAN: (2, 1)}


def test_a_batch_of_five_hundred_takes_few_queries() -> None:
    sent = TrackedSend(readers=50)
    ids = Message.objects.filter(submission=sent.submission).values_list("public_id", flat=True)
    raw = [RawHit(timezone.now(), OPENED, sent.submission.pk, pk, agent=PHONE) for pk in ids for _ in range(10)]
    with CaptureQueriesContext(connection) as queries:
        record_hits(raw)
    assert Event.objects.filter(kind=OPENED).count() == 500
    assert len(queries) <= 12


STEPS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([None, 0, 1, 2, 3]), st.sampled_from([PHONE, "Mozilla/5.0", "curl"]),
              st.integers(0, 6), st.booleans()),
    min_size=1, max_size=12,
)  # fmt: skip


@hypothesis_settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_figures_equal_the_events_whatever_happens_in_whatever_order(pair: TrackedSend, steps: list[Any]) -> None:
    at = timezone.now()
    for reader, link, agent, seconds, look_again in steps:
        at += timedelta(seconds=seconds)
        kind = OPENED if link is None else CLICKED
        message = pair.message(reader)
        record_hits([RawHit(at, kind, pair.submission.pk, message.public_id, link, agent)])
        if look_again:
            Event.objects.create(message=message, kind=EventKind.DELIVERED, at=at - timedelta(seconds=2))
            hit_ledger.rejudge([message.pk])
    assert stored_figures() == counted_figures()


@pytest.fixture
def pair() -> TrackedSend:
    return TrackedSend(readers=2)


@pytest.mark.django_db(transaction=True)
def test_two_processes_with_hits_of_one_mail_count_one_reader() -> None:
    sent = TrackedSend()
    raw = raw_hits(sent, 1)

    def record() -> None:
        try:
            record_hits(raw)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sent.counted(OPENED) == {Verdict.HUMAN: (4, 1)}


class TestBuffer:
    def hits(self, count: int) -> list[RawHit]:
        return [RawHit(timezone.now(), OPENED, number, None) for number in range(count)]

    def test_hits_are_written_in_batches_by_another_thread(self) -> None:
        batches: list[list[RawHit]] = []
        done = threading.Event()

        def record(some: Any) -> None:
            assert threading.current_thread().name == "hits"
            batches.append(list(some))
            if sum(map(len, batches)) == 5_000:
                done.set()

        buffer = HitBuffer(record, flush_seconds=0.02)
        hits = self.hits(5_000)
        for hit in hits:
            buffer.add(hit)
        assert done.wait(10)
        buffer.close()
        assert [hit for batch in batches for hit in batch] == hits
        assert max(map(len, batches)) <= BATCH

    def test_what_waits_is_written_at_the_end_of_the_process(self) -> None:
        written: list[RawHit] = []
        buffer = HitBuffer(written.extend, flush_seconds=10)
        buffer.add(self.hits(1)[0])
        buffer.close()
        assert len(written) == 1

    def test_hits_that_cannot_be_written_for_a_reason_of_their_own_hold_nothing_up(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        written: list[RawHit] = []

        def record(some: Any) -> None:
            if some[0].submission_id == 0:
                raise ValueError("ada@example.com")
            written.extend(some)

        buffer = HitBuffer(record, flush_seconds=0)
        for hit in self.hits(3):
            buffer.add(hit)
        assert [hit.submission_id for hit in written] == [1, 2]
        assert "1 hits are lost: ValueError" in caplog.text
        assert "ada" not in caplog.text

    def test_what_waits_is_bounded_and_what_is_lost_is_told(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("campaigns.tracking.buffer.MOST_WAITING", 5)
        written: list[RawHit] = []
        buffer = HitBuffer(written.extend, flush_seconds=5)
        for hit in self.hits(8):
            buffer.add(hit)
        buffer.close()
        assert [hit.submission_id for hit in written] == [0, 1, 2, 3, 4]
        assert "3 hits were dropped" in caplog.text


def test_times_of_hits_are_when_they_came_not_when_they_were_written(sent: TrackedSend) -> None:
    with time_machine.travel(timezone.now() + timedelta(days=2), tick=False):
        sent.open()
        expected = timezone.now()
    assert Event.objects.get(kind=OPENED).at == expected
    assert make_account().pk
