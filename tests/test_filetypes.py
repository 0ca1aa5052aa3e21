"""A file is what its content says (evil inputs 17 and 18)."""

from __future__ import annotations

import io
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.filetypes import DOCX, TEXT, XLSX, ZIP, detect_type, usual_extension
from compliance.rules.attachments import ALLOWED_TYPES

PDF = b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
JPG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00;"
EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff" + bytes(200)
WORD_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
EXCEL_MAIN = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"


def make_zip(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def make_office(main: str = WORD_MAIN, *, more: dict[str, bytes] | None = None) -> bytes:
    types = f'<?xml version="1.0"?><Types><Override PartName="/word/document.xml" ContentType="{main}"/></Types>'
    return make_zip({"[Content_Types].xml": types.encode(), "word/document.xml": b"<w/>", **(more or {})})


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("a.pdf", PDF, "application/pdf"),
        ("a.png", PNG, "image/png"),
        ("a.jpg", JPG, "image/jpeg"),
        ("a.gif", GIF, "image/gif"),
        ("a.docx", make_office(), DOCX),
        ("a.xlsx", make_office(EXCEL_MAIN), XLSX),
        ("a.txt", "Labas, pasauli! Ačiū.\r\n".encode(), TEXT),
    ],
    ids=["pdf", "png", "jpg", "gif", "docx", "xlsx", "txt"],
)
def test_each_type_that_may_be_attached_is_recognised(name: str, data: bytes, found: str) -> None:
    assert detect_type(name, data) == found == ALLOWED_TYPES[name.partition(".")[2]]


def test_the_content_decides_and_not_the_name() -> None:
    assert detect_type("invoice.pdf", PNG) == "image/png"
    assert detect_type("invoice.pdf", EXE) not in {None, *ALLOWED_TYPES.values()}
    assert detect_type("invoice.pdf", make_zip({"a.exe": EXE})) == ZIP
    assert detect_type("notes.txt", PDF) == "application/pdf"


def test_content_that_may_be_attached_has_a_usual_extension_and_other_content_none() -> None:
    named = {PDF: ".pdf", PNG: ".png", JPG: ".jpg", GIF: ".gif", make_office(): ".docx", b"hello": ".txt"}
    assert {data: usual_extension(data) for data in named} == named
    assert [usual_extension(data) for data in (EXE, b"", make_zip({"a.exe": EXE}))] == ["", "", ""]


def test_a_macro_enabled_document_is_not_a_plain_document() -> None:
    main = "application/vnd.ms-word.document.macroEnabled.main+xml"
    assert detect_type("a.docx", make_office(main)) == ZIP
    assert detect_type("a.docx", make_office(more={"word/vbaProject.bin": b"x"})) == ZIP


def test_a_document_that_unpacks_to_far_more_than_itself_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """hipaa.md S26: a zip bomb in the clothes of a document; here the bomb is small."""
    monkeypatch.setattr("campaigns.filetypes._MAX_UNPACKED_BYTES", 2_000)
    bomb = make_office(more={"word/media/a.bin": bytes(2_000)})
    assert (detect_type("a.docx", make_office()), detect_type("a.docx", bomb)) == (DOCX, ZIP)


def test_a_package_that_claims_to_be_both_is_neither() -> None:
    both = f'{WORD_MAIN}"/><Override ContentType="{EXCEL_MAIN}'
    assert detect_type("a.docx", make_office(both)) == ZIP


@pytest.mark.parametrize("front", [PDF, PNG, JPG, GIF], ids=["pdf", "png", "jpg", "gif"])
def test_a_zip_behind_another_file_makes_it_unrecognised(front: bytes) -> None:
    assert detect_type("a.pdf", front + make_zip({"evil.class": b"x"})) is None


def test_a_zip_bomb_is_not_unpacked() -> None:
    bomb = make_zip({"[Content_Types].xml": bytes(200_000_000)})
    started = time.process_time()
    assert detect_type("a.docx", bomb) is None
    assert time.process_time() - started < 1


def test_a_zip_of_very_many_parts_is_not_opened() -> None:
    entry = b"PK\x01\x02" + bytes(42)
    assert detect_type("a.docx", b"PK\x03\x04" + entry * 20_000) is None


@pytest.mark.parametrize("cut", [4, 30, 60, -1, -30])
def test_a_damaged_document_is_not_recognised(cut: int) -> None:
    assert detect_type("a.docx", make_office()[:cut]) in {None, ZIP}


def test_an_encrypted_document_is_not_recognised() -> None:
    data = bytearray(make_office())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    assert detect_type("a.docx", bytes(data)) is None


@pytest.mark.parametrize(
    "data",
    [b"a\x00b", b"\xff\xfe\xfd", b"caf\xe9", b"bell\x07", b"\x1b[31m", "a\x85b".encode()],
    ids=["nul", "broken utf-16", "latin-1", "bell", "escape", "c1 control"],
)
def test_what_is_not_clean_text_is_not_text(data: bytes) -> None:
    assert detect_type("a.txt", data) is None


@pytest.mark.parametrize("text", ["", "BMW and other cars", "MZ is a code", "日本語\tテスト\n"])
def test_text_is_text_whatever_letters_it_starts_with(text: str) -> None:
    assert detect_type("A.TXT", text.encode()) == TEXT
    assert detect_type("a.txt", text.encode("utf-16")) == TEXT


def test_text_under_another_name_is_not_recognised() -> None:
    assert detect_type("a.pdf", b"hello") is None
    assert detect_type("a.bat", b"del *.*") is None


@given(
    name=st.sampled_from(["a.txt", "a.docx", "a"]), head=st.sampled_from([b"", PDF, b"PK\x03\x04"]), data=st.binary()
)
def test_no_content_breaks_the_detection(name: str, head: bytes, data: bytes) -> None:
    assert detect_type(name, head + data) is None or isinstance(detect_type(name, head + data), str)


@given(position=st.integers(0), value=st.integers(0, 255))
def test_no_damage_to_a_document_breaks_the_detection(position: int, value: int) -> None:
    data = bytearray(OFFICE)
    data[position % len(data)] = value
    assert detect_type("a.docx", bytes(data)) in {None, DOCX, ZIP}


OFFICE = make_office()
