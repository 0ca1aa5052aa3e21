"""Real-world HTML with tracked links: the properties of standards.md §5, on the files and on the mails made of them."""

import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser

from campaigns import tokens
from campaigns.content.compile import CompiledVersion
from campaigns.content.draft import VersionDraft
from campaigns.content.links import Link, LinkKey, find_links, rewrite
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.tracked import LinkPlan, Tracked
from tests.browser import CHROMIUM
from tests.mail_reading import html_of, text_of
from tests.test_content_corpora import FILES, read_draft

BASE = "https://click.example.org"
TOKEN = tokens.visit_token(tokens.VisitClaim(7, UUID("5f0c8d4e-0000-4000-8000-000000000001")))
HREF = re.compile(r"""(\bhref\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))""", re.IGNORECASE)
COUNTED = (r"<!--\[if|<!\[if", r"<!\[endif\]", r"<v:\w+", r"@media", r"\{\{", r"\bmso-", r"<a\b", r"<td\b")


class Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def words(text: str) -> list[str]:
    reader = Words()
    reader.feed(text)
    reader.close()
    return reader.found


def counts(text: str) -> list[int]:
    """How often what may break is there; placeholders in targets go with them."""
    around = "".join(around_links(text))
    return [len(re.findall(mark, around)) for mark in COUNTED]


def around_links(text: str) -> list[str]:
    return HREF.split(text)[0::2]


def make_mails(draft: VersionDraft, *, pixel: str = "") -> tuple[bytes, bytes, list[LinkKey]]:
    """(the mail as written, the same mail tracked, its book of links)."""
    book: list[LinkKey] = []

    def number(links: object) -> list[int]:
        assert isinstance(links, list)
        book.extend(links)
        return list(range(1, len(links) + 1))

    compiled = CompiledVersion(draft, digest=draft.digest())
    values = {variable.name: variable.sample for variable in draft.variables}
    recipient = MailRecipient("ada@example.net", values, "1@example.com", "https://example.com/u/1")
    frame, now = MailFrame("Corpus", "news@example.com"), datetime.now(UTC)
    tracked = Tracked(LinkPlan(BASE, number, pixel=pixel), TOKEN)
    return (
        compiled.mail(frame, recipient, date=now),
        compiled.mail(frame, recipient, date=now, tracked=tracked),
        book,
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
class TestEveryFile:
    def test_tracking_changes_targets_only_once_and_can_be_undone(self, file: Path) -> None:
        """Properties 1 to 4 and 7: LW-05, LW-06."""
        source = file.read_text("utf-8")
        links = find_links(source)
        kept: list[Link] = []

        def track(link: Link) -> str:
            kept.append(link)
            return f"{BASE}/c/{TOKEN}.{len(kept)}"

        wrapped = rewrite(source, track)
        assert kept == links
        assert around_links(wrapped) == around_links(source)
        assert rewrite(wrapped, track) == wrapped
        undone = iter(source[link.start : link.end] for link in links)
        assert re.sub(rf"""(["']?){BASE}/c/{TOKEN}\.\d+\1""", lambda _: next(undone), wrapped) == source
        assert (counts(wrapped), words(wrapped)) == (counts(source), words(source))

    def test_the_tracked_mail_is_the_mail_with_other_targets(self, file: Path) -> None:
        plain, tracked, book = make_mails(read_draft(file))
        before, after = html_of(plain), html_of(tracked)
        assert around_links(after) == around_links(before)
        assert text_of(tracked) == text_of(plain)
        assert (counts(after), words(after)) == (counts(before), words(before))
        assert max(len(line) for line in tracked.split(b"\r\n")) <= 76
        assert tracked.isascii()
        originals = [html.unescape(found) for found in re.findall(r'<a\b[^>]*?\bhref="(https?://[^"]*)"', before)]
        assert len(book) >= len(originals) > 0 or not originals

    def test_a_pixel_adds_one_picture_and_nothing_else(self, file: Path) -> None:
        """LW-10."""
        _, tracked, _ = make_mails(read_draft(file))
        _, pixelled, _ = make_mails(read_draft(file), pixel="top")
        without = re.sub(rf'\r\n<img src="{BASE}/o/{TOKEN}\.gif"[^>]*>\r\n', "", html_of(pixelled))
        assert without == html_of(tracked)


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_a_browser_draws_the_same_picture_of_a_mail_with_tracked_links(browser: Browser) -> None:
    """Property 8, of every file and stricter: not one dot differs."""
    page = browser.new_page(viewport={"width": 700, "height": 900}, java_script_enabled=False)
    page.route("**/*", lambda route: route.abort())
    for file in FILES:
        plain, tracked, book = make_mails(read_draft(file))
        pictures = []
        for mail in (plain, tracked):
            page.set_content(html_of(mail))
            pictures.append(page.screenshot(full_page=True))
        assert pictures[0] == pictures[1], file
        assert (plain != tracked) == bool(book)
    page.close()
