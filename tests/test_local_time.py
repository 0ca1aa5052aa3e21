"""Wall-clock times in an account's zone, the two odd hours of a year included (evil input 20)."""

from datetime import UTC, datetime

from campaigns.admin.local_time import read_wall_time


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def written(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type] # noqa: DTZ001


def test_an_ordinary_time_means_what_it_says() -> None:
    when = read_wall_time(written(2027, 1, 15, 9, 30), zone="Europe/Vilnius")
    assert when.at == utc(2027, 1, 15, 7, 30)
    assert when.local == "Friday, 15 January 2027, 09:30"
    assert when.utc == "Friday, 15 January 2027, 07:30"
    assert when.note == ""


def test_a_time_the_clocks_skip_moves_forward_and_says_so() -> None:
    when = read_wall_time(written(2027, 3, 28, 3, 30), zone="Europe/Vilnius")
    assert when.at == utc(2027, 3, 28, 1, 30)
    assert when.local.endswith("04:30")
    assert when.note == "03:30 does not exist on this day: the clocks go forward. It becomes 04:30."


def test_a_time_that_comes_twice_means_the_first_and_says_so() -> None:
    when = read_wall_time(written(2027, 10, 31, 3, 30), zone="Europe/Vilnius")
    assert when.at == utc(2027, 10, 31, 0, 30)
    assert "comes twice" in when.note


def test_the_hours_around_the_change_have_no_note() -> None:
    for hour, minute in ((2, 59), (4, 0)):
        assert read_wall_time(written(2027, 3, 28, hour, minute), zone="Europe/Vilnius").note == ""


def test_a_half_hour_change_is_understood() -> None:
    when = read_wall_time(written(2027, 10, 3, 2, 15), zone="Australia/Lord_Howe")
    assert when.local.endswith("02:45")
    assert "02:45" in when.note
