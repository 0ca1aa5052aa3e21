"""People and machines: what gives a machine away, at once or later (TR-01, TR-02)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.models import Device, EventKind, System
from campaigns.tracking.agents import read_agent
from campaigns.tracking.verdicts import Hit, judge

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
SENT = NOON - timedelta(hours=1)
GMAIL_AHEAD = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 "
    "Edge/12.246 Mozilla/5.0"
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0"


def click(seconds: float, link: int = 1, *, is_machine: bool | None = False) -> Hit:
    return Hit(NOON + timedelta(seconds=seconds), EventKind.CLICKED, link, is_machine=is_machine)


def opened(seconds: float, *, is_machine: bool | None = False) -> Hit:
    return Hit(NOON + timedelta(seconds=seconds), EventKind.OPENED, is_machine=is_machine)


def codes(*hits: Hit, sent: datetime = SENT) -> list[str]:
    return [hit.code for hit in judge(hits, arrivals=[sent])]


def test_tr_02_three_links_in_three_seconds_are_a_machines() -> None:
    assert codes(click(0, 1), click(1, 2), click(2.9, 3)) == ["machine.burst"] * 3


def test_two_links_or_one_link_three_times_are_a_persons() -> None:
    assert codes(click(0, 1), click(1, 2), click(2, 1), click(2.5, 2)) == [""] * 4
    assert codes(click(0, 1), click(2, 2), click(4, 3), click(6, 4)) == [""] * 4


def test_what_is_asked_for_beside_a_burst_belongs_to_it() -> None:
    assert codes(opened(-1), click(0, 1), click(0.1, 2), click(0.2, 3), opened(60)) == ["machine.burst"] * 4 + [""]


def test_tr_02_a_click_right_after_the_mail_arrived_is_a_machines() -> None:
    assert codes(click(0), sent=NOON - timedelta(seconds=4)) == ["machine.too-soon"]
    assert codes(click(0), sent=NOON + timedelta(seconds=1)) == ["machine.too-soon"]
    assert codes(click(0), sent=NOON - timedelta(seconds=5)) == [""]


def test_tr_04_the_moment_of_delivery_may_be_told_later() -> None:
    (before,) = judge([click(0)], arrivals=[SENT])
    assert before.is_machine is False
    (after,) = judge([before], arrivals=[SENT, NOON - timedelta(seconds=2)])
    assert (after.is_machine, after.code) == (True, "machine.too-soon")


def test_tr_04_the_link_no_person_sees_makes_a_machine_of_everything_within_a_minute() -> None:
    found = codes(click(-61, 1), click(-59, 1), opened(10), click(0, 0), click(59, 2), click(61, 3))
    assert found == ["", "machine.decoy", "machine.decoy", "machine.decoy", "machine.decoy", ""]


def test_a_machine_stays_one() -> None:
    machine = Hit(NOON, EventKind.OPENED, is_machine=True, code="machine.head")
    assert judge([machine], arrivals=[NOON]) == [machine]


HITS = st.lists(
    st.builds(
        lambda seconds, link, machine: click(seconds, link, is_machine=machine),
        st.integers(0, 200).map(lambda tenth: tenth / 10),
        st.integers(0, 4),
        st.sampled_from([True, False, None]),
    ),
    max_size=8,
)


@hypothesis_settings(max_examples=60)
@given(hits=HITS, more=HITS)
def test_judging_again_or_in_parts_ends_in_the_same_and_only_finds_machines(hits: list[Hit], more: list[Hit]) -> None:
    once = judge([*hits, *more], arrivals=[SENT])
    in_parts = judge([*judge(hits, arrivals=[SENT]), *more], arrivals=[SENT])
    assert [hit.is_machine for hit in once] == [hit.is_machine for hit in in_parts]
    assert judge(once, arrivals=[SENT]) == once
    assert all(after.is_machine for before, after in zip([*hits, *more], once, strict=True) if before.is_machine)


@pytest.mark.parametrize(
    ("name", "is_machine"),
    [
        ("", True),
        ("Mozilla/5.0", True),  # Apple's proxy
        (GMAIL_AHEAD, True),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", None),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", None),
        ("python-requests/2.31", True),
        ("curl/8.5.0", True),
        ("Go-http-client/2.0", True),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/120.0.0.0 Safari/537.36", True),
        ("Barracuda Sentinel (EE)", True),
        ("SomethingNobodyKnows", None),
        (FIREFOX, False),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.10386; Pro)", False),
    ],
)
def test_tr_01_who_is_behind_the_name_of_a_browser(name: str, is_machine: bool | None) -> None:
    assert read_agent(name).is_machine is is_machine


@pytest.mark.parametrize(
    ("name", "device", "system"),
    [
        (FIREFOX, Device.DESKTOP, System.LINUX),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15", Device.PHONE, System.IOS),
        ("Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) AppleWebKit/605.1.15", Device.TABLET, System.IOS),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/120.0 Mobile Safari/537.36", Device.PHONE, System.ANDROID),
        ("Mozilla/5.0 (Linux; Android 14; SM-T870) Chrome/120.0 Safari/537.36", Device.TABLET, System.ANDROID),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15", Device.DESKTOP, System.MACOS),
        ("SomethingNobodyKnows", Device.OTHER, System.OTHER),
    ],
)
def test_only_the_kind_of_device_is_read_from_it(name: str, device: Device, system: System) -> None:
    agent = read_agent(name)
    assert (agent.device, agent.system) == (device, system)
