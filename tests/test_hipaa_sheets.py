"""Files of recipients with protected values: read whole or refused whole, in memory, and never quoted (hipaa.md B27, §2.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.audiences.sheets import SheetRefused, read_sheet
from campaigns.audiences.shifts import Shift, find_shift
from campaigns.errors import CampaignError

NAMES = ["Ann Archer", "Ben Baker", "Cleo Carter", "Dan Dyer", "Eve Ellis", "Finn Fisher", "Gina Green", "Hugo Hall"]
MAILBOXES = ["archer.a", "bbaker", "cleo", "dyer77", "eve.ellis", "fisherman", "g.green", "hugo"]


def refused(data: bytes) -> SheetRefused:
    with pytest.raises(SheetRefused) as caught:
        read_sheet(data)
    return caught.value


def test_columns_are_called_as_templates_call_them() -> None:
    sheet = read_sheet("First Name;E-Mail;Visit\r\nAnn;ann@example.org;Monday\r\n\r\n".encode("utf-16"))
    assert sheet.columns == ("first_name", "visit")
    assert [(row.line, row.address.mailbox, dict(row.values)) for row in sheet.rows] == [
        (2, "ann@example.org", {"first_name": "Ann", "visit": "Monday"})
    ]


def test_one_bad_row_refuses_all_of_them_and_is_named_by_its_number() -> None:
    error = refused(b"Email,Name\nann@example.org,Ann\nno address,Canary\nben@example.org\n")
    assert [problem.line for problem in error.problems] == [3, 4]
    assert "Canary" not in str(error) + repr(error.problems)


@pytest.mark.parametrize(("second", "words"), [("Ben", "with another name"), ("ann", "again.")])
def test_the_same_address_twice_is_refused_and_another_name_is_said(second: str, words: str) -> None:
    error = refused(f"Email,Name\nann@example.org,Ann\nANN@example.org,{second}\n".encode())
    assert [problem.line for problem in error.problems] == [3]
    assert words in error.problems[0].text


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x1f\x8b\x08", "import.compressed"),
        (b"PK\x03\x04", "import.spreadsheet"),
        (b"Name\nAnn\n", "import.no-email-column"),
        (b"Email,Name\n", "recipients.none"),
    ],
)
def test_what_is_no_file_of_recipients_says_what_to_do(data: bytes, code: str) -> None:
    with pytest.raises(CampaignError) as caught:
        read_sheet(data)
    assert caught.value.code == code
    assert caught.value.action


def test_names_shifted_by_a_row_are_noticed_where_it_begins() -> None:
    assert find_shift(NAMES, MAILBOXES) is None
    assert find_shift([*NAMES[:3], *NAMES[4:], "Ida"], MAILBOXES) == Shift(3, 1)
    assert find_shift(["Zed", *NAMES[:-1]], MAILBOXES) == Shift(1, -1)


def test_addresses_that_tell_no_names_raise_no_alarm() -> None:
    assert find_shift(NAMES, [f"member{number}" for number in range(8)]) is None
    assert find_shift([], []) is None


@given(
    st.lists(st.text("abcdefghij", min_size=7, max_size=7), min_size=20, max_size=40, unique=True),
    st.integers(min_value=0, max_value=10),
)
def test_any_shift_of_many_rows_is_found(words: list[str], start: int) -> None:
    assert find_shift([*words[:start], *words[start + 1 :], "zzzzzzz"], words) == Shift(start, 1)
