"""The hours in which mail may leave, on clocks around the world."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import WindowZone
from campaigns.outbox import windows
from campaigns.outbox.windows import SendWindow

OFFICE = SendWindow(time(9), time(17))
NIGHT = SendWindow(time(22), time(6))
VILNIUS, NEW_YORK, LORD_HOWE, APIA = "Europe/Vilnius", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"
ZONES = [VILNIUS, NEW_YORK, LORD_HOWE, APIA, "Etc/GMT+12", "Pacific/Kiritimati", "Asia/Kathmandu", "UTC"]
windows_of_any_kind = st.builds(
    SendWindow, st.integers(0, 23).map(time), st.integers(0, 23).map(lambda hour: time(hour, 30))
)


def wall(zone: str, text: str, *, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_it_is_open_from_its_start_until_before_its_end(zone: str) -> None:
    day = "2027-06-15T"
    assert windows.opens_at(OFFICE, zone=zone, now=wall(zone, f"{day}08:59:59")) == wall(zone, f"{day}09:00")
    assert windows.opens_at(OFFICE, zone=zone, now=wall(zone, f"{day}09:00")) is None
    assert windows.opens_at(OFFICE, zone=zone, now=wall(zone, f"{day}16:59:59")) is None
    assert windows.opens_at(OFFICE, zone=zone, now=wall(zone, f"{day}17:00")) == wall(zone, "2027-06-16T09:00")


def test_a_window_over_midnight_is_open_on_both_sides_of_it() -> None:
    for at, opens in {
        "2027-06-15T21:59": "2027-06-15T22:00",
        "2027-06-15T22:00": None,
        "2027-06-16T00:00": None,
        "2027-06-16T05:59": None,
        "2027-06-16T06:00": "2027-06-16T22:00",
    }.items():
        expected = wall(VILNIUS, opens) if opens else None
        assert windows.opens_at(NIGHT, zone=VILNIUS, now=wall(VILNIUS, at)) == expected, at


def test_a_window_may_end_at_midnight() -> None:
    evening = SendWindow(time(18), time(0))
    assert windows.opens_at(evening, zone=VILNIUS, now=wall(VILNIUS, "2027-06-15T23:59")) is None
    assert windows.opens_at(evening, zone=VILNIUS, now=wall(VILNIUS, "2027-06-16T00:00")) == wall(
        VILNIUS, "2027-06-16T18:00"
    )


def test_a_window_without_length_is_none() -> None:
    with pytest.raises(ValueError, match="length"):
        SendWindow(time(9), time(9))


# --- The two odd nights of a year --------------------------------------------------------------------------------------


def test_a_start_the_clocks_skip_moves_forward_by_the_skipped_hour() -> None:
    """Evil input 20: in Vilnius 03:00 becomes 04:00 on 28 March 2027."""
    early = SendWindow(time(3, 30), time(8))
    before = wall(VILNIUS, "2027-03-28T02:59")
    assert windows.opens_at(early, zone=VILNIUS, now=before) == wall(VILNIUS, "2027-03-28T04:30")


def test_a_window_inside_the_skipped_hour_opens_all_the_same() -> None:
    """Evil input 20."""
    lost = SendWindow(time(3, 10), time(3, 40))
    assert windows.opens_at(lost, zone=VILNIUS, now=wall(VILNIUS, "2027-03-28T04:15")) is None
    assert windows.opens_at(lost, zone=VILNIUS, now=wall(VILNIUS, "2027-03-28T04:45")) == wall(
        VILNIUS, "2027-03-29T03:10"
    )


def test_a_window_whose_start_is_skipped_and_whose_end_is_not_keeps_its_length() -> None:
    """Evil input 20."""
    narrow = SendWindow(time(3, 30), time(4, 10))
    opens = windows.opens_at(narrow, zone=VILNIUS, now=wall(VILNIUS, "2027-03-28T02:00"))
    assert opens == wall(VILNIUS, "2027-03-28T04:30")
    assert windows.opens_at(narrow, zone=VILNIUS, now=opens + timedelta(minutes=39)) is None
    assert windows.opens_at(narrow, zone=VILNIUS, now=opens + timedelta(minutes=40)) is not None


def test_a_time_that_comes_twice_opens_a_window_once() -> None:
    """Evil input 20: in Vilnius 03:30 comes twice on 31 October 2027."""
    early = SendWindow(time(3, 30), time(5))
    first, second = (wall(VILNIUS, "2027-10-31T03:30", fold=fold) for fold in (0, 1))
    assert second - first == timedelta(hours=1)
    assert windows.opens_at(early, zone=VILNIUS, now=first - timedelta(minutes=1)) == first
    # 03:10 for the second time: it opened already, and stays open.
    assert windows.opens_at(early, zone=VILNIUS, now=second - timedelta(minutes=20)) is None


def test_an_end_that_comes_twice_means_its_first_coming() -> None:
    """Evil input 20."""
    late = SendWindow(time(1), time(3, 30))
    first, second = (wall(VILNIUS, "2027-10-31T03:30", fold=fold) for fold in (0, 1))
    for at in (first, first + timedelta(minutes=35), second):
        assert windows.opens_at(late, zone=VILNIUS, now=at) == wall(VILNIUS, "2027-11-01T01:00")


@pytest.mark.parametrize(
    ("zone", "before", "opens"),
    [
        # The same shape at other places; on Lord Howe the clocks move by half an hour.
        (NEW_YORK, "2027-03-14T01:00", "2027-03-14T03:15"),
        (LORD_HOWE, "2027-10-03T01:00", "2027-10-03T02:45"),
    ],
)
def test_a_skipped_quarter_past_two_opens_after_the_skip(zone: str, before: str, opens: str) -> None:
    """Evil input 20."""
    window = SendWindow(time(2, 15), time(8))
    assert windows.opens_at(window, zone=zone, now=wall(zone, before)) == wall(zone, opens)


def test_a_day_an_island_left_out_holds_nobody_up() -> None:
    """Evil input 20: Samoa had no 30 December 2011."""
    now = wall(APIA, "2011-12-29T20:00")
    assert windows.opens_at(OFFICE, zone=APIA, now=now) == wall(APIA, "2011-12-31T09:00")
    assert windows.opens_at(OFFICE, zone=APIA, now=wall(APIA, "2011-12-31T10:00")) is None


@given(
    window=windows_of_any_kind,
    zone=st.sampled_from(ZONES),
    now=st.datetimes(datetime(2005, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_it_opens_within_a_day_and_a_bit_and_is_open_when_it_says_so(
    window: SendWindow, zone: str, now: datetime
) -> None:
    """Evil inputs 20 and 21."""
    opens = windows.opens_at(window, zone=zone, now=now)
    if opens is not None:
        # A day has up to 25 hours; only Samoa ever left out a whole one.
        assert now < opens <= now + timedelta(hours=25 + 24 * (zone == APIA))
        assert windows.opens_at(window, zone=zone, now=opens) is None
        assert windows.opens_at(window, zone=zone, now=opens - timedelta(seconds=1)) == opens


# --- The reader's clock ------------------------------------------------------------------------------------------------


def test_every_reader_waits_for_their_own_morning() -> None:
    now = wall(VILNIUS, "2027-06-15T10:00")
    window = SendWindow(time(9), time(17), WindowZone.RECIPIENT)
    moments = windows.later(window, zones=[VILNIUS, NEW_YORK, VILNIUS, LORD_HOWE], now=now)
    assert moments == [None, wall(NEW_YORK, "2027-06-15T09:00"), None, wall(LORD_HOWE, "2027-06-16T09:00")]


@pytest.mark.parametrize(
    ("attributes", "zone"),
    [
        ({"time_zone": "America/New_York"}, NEW_YORK),
        ({"time_zone": " America/New_York "}, NEW_YORK),
        ({"time_zone": "Etc/GMT+12"}, "Etc/GMT+12"),
        ({"time_zone": "Mars/Olympus"}, VILNIUS),
        ({"time_zone": "../../etc/passwd"}, VILNIUS),
        ({"time_zone": "Europe"}, VILNIUS),
        ({"time_zone": "x" * 5000}, VILNIUS),
        ({"time_zone": None}, VILNIUS),
        ({"time_zone": 3}, VILNIUS),
        ({}, VILNIUS),
        (None, VILNIUS),
    ],
)
def test_a_zone_nobody_knows_is_the_account_s(attributes: dict[str, object] | None, zone: str) -> None:
    """Evil input 21."""
    assert windows.zone_of(attributes, fallback=VILNIUS) == zone


# --- What a submission keeps -------------------------------------------------------------------------------------------


def test_a_window_reads_back_from_the_options_of_a_submission() -> None:
    window = SendWindow(time(22, 30), time(6), WindowZone.RECIPIENT)
    assert windows.read_window({"window": window.as_option()}) == window
    assert window.as_option() == {"start": "22:30", "end": "06:00", "zone": "recipient"}


@pytest.mark.parametrize("options", [{}, {"window": None}])
def test_without_a_window_there_is_none(options: dict[str, object]) -> None:
    assert windows.read_window(options) is None


def test_only_open_hours_count_against_the_time_messages_have() -> None:
    assert windows.valid_for(None) == timedelta(hours=48)
    assert windows.valid_for(OFFICE) == timedelta(days=6)  # 48 hours at 8 a day
    assert windows.valid_for(NIGHT) == timedelta(days=6)


def test_a_very_short_window_does_not_make_news_of_last_month() -> None:
    assert windows.valid_for(SendWindow(time(9), time(9, 1))) == timedelta(days=14)
