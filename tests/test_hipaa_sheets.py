"""Files of recipients with protected values: read whole or refused whole, in memory, and never quoted (hipaa.md B27, §2.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.audiences.sheets import SheetRefused, read_sheet
from campaigns.audiences.shifts import Shift, find_shift
from campaigns.errors import CampaignError
from tests.hipaa_office import WORKBOOK, cells, workbook

NAMES = ["Ann Archer", "Ben Baker", "Cleo Carter", "Dan Dyer", "Eve Ellis", "Finn Fisher", "Gina Green", "Hugo Hall"]
HEAD = cells("Email", "Name", number=1)
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
        (b"\xd0\xcf\x11\xe0" + bytes(600), "import.old-workbook"),
        (WORKBOOK.read_bytes()[:-40], "import.spreadsheet"),
        (workbook(""), "import.empty"),
        (workbook("<row r='1'><c r='AAA1'><v>1</v></c></row>"), "import.too-wide"),
        (workbook("<row r='1'><c>"), "import.broken-workbook"),
        (workbook("", prolog='<!DOCTYPE x [<!ENTITY a "aa">]>'), "import.broken-workbook"),
        (workbook(HEAD + cells("ben@example.org", "Ben", number=2, more=' hidden="1"')), "import.hidden-rows"),
        (workbook(HEAD, sheet="xl/worksheets/sheet2.xml"), "import.many-sheets"),
        (b"Name\nAnn\n", "import.no-email-column"),
        (b"Email,Name\n", "recipients.none"),
    ],
)
def test_what_is_no_file_of_recipients_says_what_to_do(data: bytes, code: str) -> None:
    with pytest.raises(CampaignError) as caught:
        read_sheet(data)
    assert caught.value.code == code
    assert caught.value.action


def test_a_workbook_is_read_as_its_cells_show_it() -> None:
    """Shared texts, an empty cell, a date, a date with its time, a number with its zeros; empty sheets do not count."""
    sheet = read_sheet(WORKBOOK.read_bytes())
    assert sheet.columns == ("first_name", "ward", "code", "visit", "share")
    assert [(row.line, row.address.mailbox, *row.values.values()) for row in sheet.rows] == [
        (2, "ann@example.org", "Ann", "B 2", "00042", "2027-03-01", "0.1"),
        (3, "ben@example.org", "Ben", "", "00007", "2027-03-02 09:30", "3"),
    ]


@pytest.mark.parametrize("cell", ['<c s="1"><v>0.5</v></c>', '<c t="e"><v>#REF!</v></c>', '<c t="s"><v>99</v></c>'])
def test_a_cell_that_shows_something_else_than_it_holds_refuses_its_row_and_names_its_column(cell: str) -> None:
    data = (
        HEAD
        + cells("ann@example.org", "Ann", number=2)
        + f"<row r='3'><c t='inlineStr'><is><t>b@example.org</t></is></c>{cell}</row>"
    )
    [problem] = refused(workbook(data)).problems
    assert (problem.line, problem.text.partition(":")[0]) == (3, "Column “name”")


@pytest.mark.parametrize(
    ("limit", "rows"),
    [
        ("ooxml.MOST_BYTES", "<row r='1'><c t='inlineStr'><is><t>" + "0" * 20_000_000),
        # A long text once, and many cells that name it.
        (
            "workbooks.MOST_LETTERS",
            "".join(f"<row r='{number}'><c t='s'><v>0</v></c></row>" for number in range(1, 300)),
        ),
    ],
)
def test_what_a_small_workbook_unpacks_to_is_bounded(monkeypatch: pytest.MonkeyPatch, limit: str, rows: str) -> None:
    monkeypatch.setattr(f"campaigns.audiences.{limit}", 1000 if limit == "workbooks.MOST_LETTERS" else 10_000_000)
    data = workbook(rows)
    assert len(data) < 100_000
    with pytest.raises(CampaignError) as caught:
        read_sheet(data)
    assert caught.value.code == "import.workbook-too-large"


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
