"""Real-world HTML through the whole compiler: nothing of it is lost on the way."""

import email
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path

import pytest

from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import Variable, VersionDraft
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.versions import check_draft

HERE = Path(__file__).resolve().parent
CORPORA = HERE.parent.parent / "shared" / "corpora" / "html"
FILES = sorted([*(HERE / "data").glob("*.html"), *CORPORA.rglob("*.html")])
MUSTACHE = re.compile(r"\{\{\{?\s*([#/^]?)\s*([\w.@ ]*?)\s*\}?\}\}")


def read_draft(file: Path) -> VersionDraft:
    """The file as a version: mustache sections go, names become declared variables that also work as links."""
    names: set[str] = set()

    def converted(found: re.Match[str]) -> str:
        name = re.sub(r"\W+", "_", found[2]).strip("_")
        if found[1] or not name:
            return ""
        names.add(name)
        return "{{ " + name + " }}"

    source = MUSTACHE.sub(converted, file.read_text("utf-8"))
    return VersionDraft(
        subject="Corpus",
        source_kind="html",
        source=source,
        variables=tuple(Variable(name, sample="https://example.com/x?y=1&z=é") for name in sorted(names)),
    )


def write_mail(draft: VersionDraft) -> EmailMessage:
    compiled = CompiledVersion(draft, digest=draft.digest())
    values = {variable.name: variable.sample for variable in draft.variables}
    recipient = MailRecipient("ada@example.net", values, "1@example.com", "https://example.com/u/1")
    raw = compiled.mail(MailFrame("Corpus", "news@example.com"), recipient, date=datetime.now(UTC))
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", raw)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 76
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    assert body is not None
    text = body.get_content()
    assert isinstance(text, str)
    return text


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "a" and not href.startswith("#"):
            self.found.append(href.strip())


def links_of(html: str) -> Iterator[str]:
    reader = Links()
    reader.feed(html)
    return filter(None, reader.found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
class TestEveryFile:
    def test_parses_without_defects_as_7_bit_lines(self, file: Path) -> None:
        """MF-04, MF-05, MF-06, MF-11."""
        message = write_mail(read_draft(file))
        assert [found.get_content_type() for found in message.walk()] == [
            "multipart/alternative", "text/plain", "text/html",
        ]  # fmt: skip
        assert all(not found.defects for found in message.walk())

    def test_keeps_conditionals_and_media_queries(self, file: Path) -> None:
        html = part(write_mail(read_draft(file)), "html")
        source = file.read_text("utf-8")
        for mark in (r"<!--\[if|<!\[if", r"<!\[endif\]", r"<v:\w+", r"@media", r"\bmso-"):
            assert len(re.findall(mark, html)) >= len(re.findall(mark, source)), mark
        for mark in (r"\[if [^\]]*mso", r"<v:\w+", r"@media"):
            assert len(re.findall(mark, html)) == len(re.findall(mark, source)), mark

    def test_has_every_link_in_the_text_part(self, file: Path) -> None:
        """MF-12."""
        message = write_mail(read_draft(file))
        text = part(message, "plain")
        missing = [href for href in links_of(part(message, "html")) if href.removeprefix("mailto:") not in text]
        assert missing == []

    def test_leaves_no_placeholder_style_or_marker_in_the_text_part(self, file: Path) -> None:
        """MF-12, MF-13."""
        text = part(write_mail(read_draft(file)), "plain")
        assert text.strip()
        assert not re.search("\\{\\{|\\{%|<style|@media|None|undefined|[\U000f0000-\U0010ffff]", text)

    def test_has_no_blocking_problem(self, file: Path) -> None:
        assert [problem for problem in check_draft(read_draft(file)) if problem.blocking] == []
