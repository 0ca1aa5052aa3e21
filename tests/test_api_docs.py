"""/docs: the Email API as a page, whole without a script and without a key."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from django.test import Client

from campaigns.api.document import build_document, list_operations
from campaigns.outbox import statuses
from tests.browser import LOOKS, MARKS, Eyes


class Page(HTMLParser):
    """The ids, links and inline parts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


@pytest.fixture
def text(client: Client) -> str:
    response = client.get("/docs")
    assert response.status_code == 200
    return response.content.decode()


def test_every_operation_has_its_place_and_is_in_the_contents(text: str) -> None:
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    for path, method, operation in list_operations(build_document()):
        name = operation["operationId"]
        assert name in page.ids
        assert f"#{name}" in page.links
        assert re.search(rf"curl.*{re.escape(path.partition('{')[0])}", text), f"{method} {path}"


def test_links_within_the_page_lead_somewhere(text: str) -> None:
    page = Page(text)
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)


def test_nothing_comes_from_elsewhere_and_nothing_is_inline(client: Client, text: str) -> None:
    page = Page(text)
    assert page.inline == []
    assert all(link.startswith(("#", "/")) for link in page.links)
    policy = client.get("/docs")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_it_is_public_cacheable_and_asks_for_no_cookie(client: Client) -> None:
    response = client.get("/docs")
    assert "public" in response["Cache-Control"]
    assert response.cookies == {}
    assert client.get("/docs", headers={"if-none-match": response["ETag"]}).status_code == 304
    assert client.get("/docs/").content == response.content


def test_every_status_and_error_there_can_be_is_listed(text: str) -> None:
    names = [entry.name for entry in statuses.list_statuses()] + [entry.name for entry in statuses.list_faults()]
    assert [name for name in names if f"<code>{name}</code>" not in text] == []


def test_fields_of_all_depths_are_told_with_their_limits(text: str) -> None:
    plain = re.sub(r"<wbr>|&#x27;", "", text)
    assert "messages[].destinations[].to[].destination" in plain
    assert "at most 4,000 characters" in plain


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
class TestInABrowser:
    pytestmark = MARKS

    def test_it_reads_well(self, open_eyes: Callable[..., Eyes], width: int, scheme: str) -> None:
        eyes = open_eyes(width, scheme, scripts=scheme == "light")
        eyes.page.goto("/docs")
        eyes.look("api-docs")
        eyes.page.goto("/docs#send_email")
        assert eyes.page.locator("#send_email").is_visible()
