"""How much of a reader may be known: every switch lowers it, none raises it, and under HIPAA it is nothing (LA-04)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from campaigns.audiences.choices import choose_tracking, forget_choice, read_choices
from campaigns.models import (
    Account,
    BaaStatus,
    EventKind,
    Lane,
    Purpose,
    Submission,
    TrackedLink,
    TrackingLevel,
)
from campaigns.outbox.levels import Switches, ceiling, decide_level
from campaigns.outbox.tracker import open_tracker
from campaigns.planning import testsend
from tests.factories import make_account, make_domain, make_sender, make_version
from tests.tracked import SHOP, TrackedSend, ask

OFF, AGGREGATE, INDIVIDUAL = TrackingLevel.OFF, TrackingLevel.AGGREGATE, TrackingLevel.INDIVIDUAL
OPEN = Switches(Lane.STANDARD, BaaStatus.NONE, account=INDIVIDUAL, needs_consent=False)
LEVELS = st.none() | st.sampled_from(TrackingLevel)


class TestTheDecision:
    @pytest.mark.parametrize("layer", ["account", "domain", "campaign", "reader"])
    @pytest.mark.parametrize("level", TrackingLevel)
    def test_each_layer_lowers_what_the_others_allow(self, layer: str, level: TrackingLevel) -> None:
        change: dict[str, Any] = {layer: level}
        assert decide_level(replace(OPEN, **change)) == level

    def test_of_several_lists_the_strictest_counts(self) -> None:
        assert decide_level(replace(OPEN, lists=(INDIVIDUAL, None, OFF))) == OFF

    def test_nobody_is_followed_individually_without_having_agreed(self) -> None:
        asking = replace(OPEN, needs_consent=True)
        assert decide_level(asking) == AGGREGATE
        assert decide_level(asking.of_reader(INDIVIDUAL)) == INDIVIDUAL
        assert decide_level(asking.of_reader(OFF)) == OFF
        assert ceiling(asking) == INDIVIDUAL

    @pytest.mark.parametrize(
        "change", [{"lane": Lane.HIPAA}, *({"baa_status": status} for status in BaaStatus if status != BaaStatus.NONE)]
    )
    def test_under_hipaa_it_is_nothing_whatever_the_switches_say(self, change: dict[str, Any]) -> None:
        assert decide_level(replace(OPEN.of_reader(INDIVIDUAL), **change)) == OFF

    @given(
        account=st.sampled_from(TrackingLevel), domain=LEVELS, campaign=LEVELS, lists=st.lists(LEVELS, max_size=3),
        reader=LEVELS, needs_consent=st.booleans(),
    )  # fmt: skip
    def test_no_layer_raises_what_another_lowers(
        self, account: int, domain: int | None, campaign: int | None, lists: list[int | None], reader: int | None,
        needs_consent: bool,
    ) -> None:  # fmt: skip
        switches = Switches(
            Lane.STANDARD, BaaStatus.NONE, account, needs_consent, domain, campaign, tuple(lists), reader
        )
        level = decide_level(switches)
        assert all(level <= layer for layer in (account, domain, campaign, *lists, reader) if layer is not None)
        assert level <= ceiling(switches)


pytestmark = pytest.mark.django_db


def is_tracked(sent: TrackedSend, reader: int = 0) -> tuple[bool, bool]:
    """(there are tracked links, there is a pixel)."""
    return "/c/" in sent.html(reader), "/o/" in sent.html(reader)


def test_at_first_mail_is_counted_without_names() -> None:
    account = make_account()
    sent = TrackedSend(account, readers=2)
    assert sent.links(0)[0] == sent.links(1)[0]
    assert sent.message(0).public_id.hex not in sent.html(0)
    assert ask(sent.links(0)[0])["Location"] == SHOP
    assert sent.events(0) == sent.events(1) == []
    assert sum(hits for hits, _ in sent.counted(EventKind.CLICKED).values()) == 1


def test_each_reader_gets_what_they_allow() -> None:
    account = make_account(tracking=INDIVIDUAL)
    sent = TrackedSend(account, readers=3)
    for reader, level in enumerate((OFF, INDIVIDUAL)):
        key = sent.message(reader).address_key
        choose_tracking(account.pk, address_key=key, level=level, now=timezone.now(), source="preferences")
    sent.send_again()
    refused, agreed, unasked = (sent.links(reader) for reader in (0, 1, 2))
    assert refused == []
    assert agreed != unasked
    assert len(agreed) == len(unasked) == 4


@pytest.mark.parametrize(
    ("switch", "tracked"),
    [
        ({"track_clicks": False}, (False, True)),
        ({"track_opens": False}, (True, False)),
        ({"tracking": OFF}, (False, False)),
        ({"tracking": AGGREGATE}, (True, True)),
    ],
)
def test_a_campaign_has_switches_of_its_own(switch: dict[str, Any], tracked: tuple[bool, bool]) -> None:
    assert is_tracked(TrackedSend(**switch)) == tracked


@pytest.mark.parametrize(
    ("switch", "tracked"),
    [
        ({"track_clicks": False}, (False, True)),
        ({"track_opens": False}, (True, False)),
        ({"tracking": OFF}, (False, False)),
    ],
)
def test_a_domain_has_switches_of_its_own(switch: dict[str, Any], tracked: tuple[bool, bool]) -> None:
    account = make_account(tracking=INDIVIDUAL, tracking_needs_consent=False)
    sender = make_sender(account, domain=make_domain(account, **switch))
    assert is_tracked(TrackedSend(account, sender=sender)) == tracked


def test_a_list_that_is_off_is_off() -> None:
    account = make_account(tracking=INDIVIDUAL, tracking_needs_consent=False)
    sent = TrackedSend(account)
    assert is_tracked(sent) == (True, True)
    sent.list.tracking = OFF
    sent.list.save()
    sent.send_again()
    assert is_tracked(sent) == (False, False)


def test_transactional_mail_is_tracked_only_by_a_switch_of_its_own() -> None:
    """LW-03: sign-in links are in transactional mail."""
    account = make_account(tracking=INDIVIDUAL, tracking_needs_consent=False)
    assert is_tracked(TrackedSend(account, purpose=Purpose.TRANSACTIONAL)) == (False, False)
    account.tracking_transactional = AGGREGATE
    account.save()
    assert is_tracked(TrackedSend(account, purpose=Purpose.TRANSACTIONAL)) == (True, True)


def test_a_test_mail_shows_the_links_as_they_are() -> None:
    account = make_account(tracking=INDIVIDUAL, tracking_needs_consent=False)
    submission = testsend.send_test(
        account, content=make_version(account), sender=make_sender(account), to="boss@example.com"
    )
    assert open_tracker(submission) is None


@pytest.mark.parametrize("status", [status for status in BaaStatus if status != BaaStatus.NONE])
def test_no_mail_of_an_account_under_hipaa_is_ever_tracked(status: str) -> None:
    """The second lock is the gate's rule; this is the first: there is no tracker to make such a mail with."""
    sent = TrackedSend()
    Account.objects.filter(pk=sent.account.pk).update(baa_status=status)
    submission = Submission.objects.select_related("account", "sender__domain").get(pk=sent.submission.pk)
    assert open_tracker(submission) is None
    sent.click(0)
    sent.open()
    assert sent.events() == []
    assert sent.counted(EventKind.CLICKED) == sent.counted(EventKind.OPENED) == {}


def test_no_mail_of_the_hipaa_lane_is_ever_tracked() -> None:
    sent = TrackedSend()
    Submission.objects.update(lane=Lane.HIPAA)
    assert open_tracker(Submission.objects.get(pk=sent.submission.pk)) is None
    sent.click(0)
    assert sent.events() == []


def test_what_a_reader_chose_outlives_the_contact_and_can_be_forgotten() -> None:
    sent = TrackedSend()
    key = sent.message().address_key
    choose_tracking(sent.account.pk, address_key=key, level=OFF, now=timezone.now(), source="preferences")
    sent.account.contacts.all().delete()
    assert read_choices(sent.account.pk, keys=[key, "x"]) == {key: OFF}
    assert read_choices(make_account().pk, keys=[key]) == {}
    forget_choice(sent.account.pk, address_key=key)
    assert read_choices(sent.account.pk, keys=[key]) == {}


def test_utm_names_go_to_the_targets_of_a_campaign() -> None:
    sent = TrackedSend(utm_source="spring news", utm_medium="email")
    assert (
        ask(sent.links()[0])["Location"]
        == "https://shop.example/p?a=1&b=2&utm_source=spring%20news&utm_medium=email#top"
    )
    assert TrackedLink.objects.filter(url__contains="utm_").count() == 4


def test_utm_names_stay_where_nothing_is_tracked() -> None:
    sent = TrackedSend(utm_source="news", tracking=OFF)
    assert is_tracked(sent) == (False, False)
    assert re.search(r'href="https://shop\.example/p\?a=1&amp;b=2&amp;utm_source=news#top"', sent.html())
