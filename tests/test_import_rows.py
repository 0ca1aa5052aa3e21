"""Reading rows: line ends, quotes, broken bytes, line numbers (evil inputs 1 to 3)."""

import codecs
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.audiences import rows
from campaigns.audiences.files import ENCODINGS, check_encoding, detect_encoding, open_text
from campaigns.audiences.rows import BROKEN_TEXT, MAX_ROW, QUOTE_NOT_CLOSED, ROW_TOO_LONG, read_rows, suggest_delimiter
from campaigns.errors import CampaignError

LATIN = "".join(chr(code) for code in range(32, 0x17F) if not 0x7F <= code < 0xA1)


def rows_of(data: str, delimiter: str = ",") -> list[tuple[int, list[str], str]]:
    """(number of its first line, cells, fault) of each row."""
    return [(row.line, row.cells, row.fault) for row in read_rows(io.StringIO(data, newline=""), delimiter=delimiter)]


def write_file(folder: Path, data: bytes) -> Path:
    path = folder / "contacts.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_one(end: str) -> None:
    assert rows_of(end.join(["a,b", "1,2", "3,4"])) == [(1, ["a", "b"], ""), (2, ["1", "2"], ""), (3, ["3", "4"], "")]


def test_a_row_carries_its_first_line_after_quoted_newlines_and_blank_lines() -> None:
    data = 'a,b\n"x\r\ny\nz",1\n\n\n"p\rq",2\nlast,3\n'
    assert [(line, cells[1]) for line, cells, _ in rows_of(data)] == [(1, "b"), (2, "1"), (7, "2"), (9, "3")]


def test_quotes_within_quotes_are_kept_once() -> None:
    assert rows_of('a\n"say ""hi"""\n')[1][1] == ['say "hi"']


def test_a_byte_order_mark_is_no_part_of_the_first_header_even_before_a_quote() -> None:
    assert rows_of('\ufeff"Email",b\n')[0][1] == ["Email", "b"]


def test_a_quote_never_closed_costs_only_its_own_row() -> None:
    data = "a,b\n" + '1,"open\n' + "".join(f"{n},x\n" for n in range(5000))
    rows = rows_of(data)
    assert rows[1][0] == 2
    assert rows[1][2] == QUOTE_NOT_CLOSED
    assert len(rows) == 5002
    assert rows[2] == (3, ["0", "x"], "")
    assert rows[-1][0] == 5002


def test_a_quote_never_closed_in_a_large_file_is_given_up_soon() -> None:
    filler = "z" * 200
    data = 'a,b\n1,"open\n' + "".join(f"{n},{filler}\n" for n in range(12_000))
    rows = rows_of(data)
    assert [row[2] for row in rows if row[2]] == [QUOTE_NOT_CLOSED]
    assert len(rows) == 12_002


def test_a_field_of_200_kilobytes_is_read() -> None:
    assert len(rows_of(f'a,b\n1,"{"x" * 200_000}"\n')[1][1][1]) == 200_000


def test_an_endless_line_is_one_fault_and_reading_goes_on_after_it() -> None:
    rows = rows_of(f"a,b\n{'x' * (3 * MAX_ROW + 5)}\n1,2\n")
    assert [(line, fault) for line, _, fault in rows] == [(1, ""), (2, ROW_TOO_LONG), (3, "")]


def test_nul_and_ragged_rows_are_rows() -> None:
    assert [cells for _, cells, _ in rows_of("a,b\n1\n1,2,3\nx\0y,2\n")[1:]] == [["1"], ["1", "2", "3"], ["x\0y", "2"]]


def test_quotes_broken_all_over_stop_the_file_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_RECOVERIES", 10)  # the real limit takes a gigabyte to reach
    with pytest.raises(CampaignError, match=r"import\.quotes-broken"):
        rows_of("a\n" + f'"{"x" * (MAX_ROW // 2)}\n' + ("y" * (MAX_ROW + 1) + "\n") * 20)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "shift_jis"])
def test_a_damaged_row_is_marked_and_its_neighbours_are_not(tmp_path: Path, encoding: str) -> None:
    good = "a,b\r\n1,x\r\n".encode(encoding)
    bad = {"utf-8-sig": b"2,\xe9\r\n", "cp1252": b"2,\x81\r\n", "shift_jis": b"2,\xff\r\n"}.get(encoding)
    wide = "utf-16-be" if encoding.endswith("be") else "utf-16-le"
    tail = "utf-8" if encoding == "utf-8-sig" else encoding if bad else wide
    bad = bad or ("2," + "\ud800" + "\r\n").encode(wide, "surrogatepass")
    path = write_file(tmp_path, good + bad + "3,é\r\n".encode(tail, "ignore"))
    with open_text(path, encoding=encoding) as source:
        faults = [(row.line, row.fault) for row in read_rows(source.text, delimiter=",")]
    assert faults == [(1, ""), (2, ""), (3, BROKEN_TEXT), (4, "")]


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
     ("utf-16-be", "utf-16-be"), ("utf-32", "utf-32"), ("cp1252", "cp1252")],
)  # fmt: skip
def test_the_encoding_is_recognised(tmp_path: Path, encoding: str, found: str) -> None:
    text = "Email;Name\r\n" + "".join(f"p{n}@example.com;José Müller Señor\r\n" for n in range(50))
    assert detect_encoding(write_file(tmp_path, text.encode(encoding))) == found


def test_letters_far_down_the_file_still_decide(tmp_path: Path) -> None:
    text = "email,name\n" + "p@example.com,Bob\n" * 200_000 + "q@example.com,René\n"
    assert detect_encoding(write_file(tmp_path, text.encode("cp1252"))) == "cp1252"
    assert detect_encoding(write_file(tmp_path, text.encode("utf-8"))) == "utf-8-sig"


def test_a_few_broken_rows_do_not_make_utf8_something_else(tmp_path: Path) -> None:
    data = b"email,name\n" + "p@example.com,Žydrė\n".encode() * 20 + b"q@example.com,Ren\xe9\n"
    assert detect_encoding(write_file(tmp_path, data)) == "utf-8-sig"


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp1251", "Привет"), ("cp1253", "Ελένη"), ("cp1250", "Łukasz Wąs"), ("cp1257", "Žydrūnas")]
)
def test_an_encoding_that_cannot_be_told_is_asked_for_instead_of_guessed(
    tmp_path: Path, encoding: str, name: str
) -> None:
    data = ("email,name\n" + f"p@example.com,{name}\n" * 30).encode(encoding)
    with pytest.raises(CampaignError) as caught:
        detect_encoding(write_file(tmp_path, data))
    assert caught.value.code == "import.encoding-unclear"


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"", "import.empty"), (b"\xef\xbb\xbf\r\n\r\n", "import.empty"), (bytes(range(256)) * 40, "import.binary"),
     (b"PK\x03\x04rest", "import.spreadsheet"), (b"%PDF-1.7\n", "import.binary"),
     (b"\x1f\x8b\x08\0broken", "import.broken-gzip")],
)  # fmt: skip
def test_what_is_no_csv_is_refused_with_a_sentence(tmp_path: Path, data: bytes, code: str) -> None:
    with pytest.raises(CampaignError) as caught:
        detect_encoding(write_file(tmp_path, data))
    assert caught.value.code == code
    assert caught.value.action


@pytest.mark.parametrize("name", ENCODINGS)
def test_every_encoding_on_offer_exists(name: str) -> None:
    assert codecs.lookup(check_encoding(name))


def test_an_encoding_that_is_no_text_is_refused() -> None:
    for name in ("base64", "idna", "nonsense", ""):
        with pytest.raises(CampaignError, match=r"import\.encoding-unknown"):
            check_encoding(name)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_recognised(delimiter: str) -> None:
    rows = [["Email", "Name", "Notes"], *(["a@example.com", "X", "one, two; three"] for _ in range(9))]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    assert suggest_delimiter(text.getvalue()) == delimiter


def test_decimal_commas_do_not_make_a_semicolon_file_a_comma_file() -> None:
    assert suggest_delimiter("email;spent\na@example.com;12,50\nb@example.com;7,00\n") == ";"


@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(
        st.lists(st.text(LATIN + "\r\n\"';,|\t", max_size=12), min_size=2, max_size=5), min_size=1, max_size=6
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]),
)
def test_any_rows_survive_any_way_of_writing_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, end: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    path = tmp_path_factory.mktemp("rows") / "file.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    with open_text(path, encoding=encoding) as source:
        found = list(read_rows(source.text, delimiter=delimiter))
    assert [row.cells for row in found] == rows
    assert not any(row.fault for row in found)
    assert [row.line for row in found] == first_lines(rows)


def first_lines(rows: list[list[str]]) -> list[int]:
    """Where each row starts, counting every CR, LF and CRLF before it."""
    lines, line = [], 1
    for row in rows:
        lines.append(line)
        line += 1 + sum(cell.replace("\r\n", "\n").replace("\r", "\n").count("\n") for cell in row)
    return lines
