"""A real browser for the tests: Debian's Chromium, on a desk and on a phone, in light and in dark.

Conftest hands `open_eyes` to every test; `SHOTS_DIR=folder` keeps a picture of everything that was looked at.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

CHROMIUM = Path("/usr/bin/chromium")
SHOTS = os.environ.get("SHOTS_DIR", "")
MARKS = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
ALL_LOOKS = [
    pytest.param(1280, "light", id="desk-light"),
    pytest.param(1280, "dark", id="desk-dark"),
    pytest.param(390, "light", id="phone-light"),
    pytest.param(390, "dark", id="phone-dark"),
]
# Whole journeys take seconds: in CI each width and each scheme is enough for them. With pictures, all are taken.
LOOKS = ALL_LOOKS if SHOTS or not os.environ.get("CI") else [ALL_LOOKS[0], ALL_LOOKS[3]]
# The pages come from this very process, on a machine that does three other things as well.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
NAMELESS = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href], iframe")]
    .filter((e) => !(e.labels?.length || e.textContent.trim() || e.ariaLabel || e.title || e.value
                     || e.querySelector("[aria-label]")))
    .map((e) => e.outerHTML)"""


@dataclass
class Eyes:
    """One page of the browser, everything it complained about, and pictures of what it showed."""

    page: Page
    name: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("response", lambda answer: self._judge(answer.status, answer.url))

    def _note(self, kind: str, text: str) -> None:
        # A mail in its frame may try what it likes; that the browser names what it stopped is no fault of ours.
        if kind in {"error", "warning"} and "sandboxed" not in text and '"img-src data:"' not in text:
            self.complaints.append(f"{kind}: {text}")

    def _judge(self, status: int, url: str) -> None:
        if status >= 400:
            self.complaints.append(f"{status} {url}")

    def look(self, name: str) -> None:
        """The page fits its window, complains about nothing, styles nothing inline, and every control has a name."""
        # A click may return when the new page has begun and has no content yet.
        self.page.wait_for_load_state("load")
        width = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        nameless = self.page.evaluate(NAMELESS)
        styled = self.page.evaluate("document.querySelectorAll('[style]').length")
        if SHOTS:
            self.page.screenshot(path=str(Path(SHOTS) / f"{self.name}-{name}.png"), full_page=True)
        assert width[0] <= width[1], f"{name}: {width[0]} wide in {width[1]}"
        assert not nameless, f"{name}: {nameless}"
        assert not styled, f"{name}: inline styles"
        assert not self.complaints, f"{name}: {self.complaints}"

    def press(self, label: str) -> None:
        """Press the button or link of that name, and wait for the page it leads to."""
        pattern = re.compile(label)
        target = self.page.get_by_role("button", name=pattern).or_(self.page.get_by_role("link", name=pattern)).first
        with self.page.expect_navigation(wait_until="load"):
            # In one step: a page that keeps itself fresh may replace what is pressed between going down and coming up.
            target.click(trial=True)
            target.dispatch_event("click")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread (so not for longer than it must), and the rows are ours to look at
    # beside it.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_eyes(browser: Browser, live_server: LiveServer) -> Iterator[Callable[..., Eyes]]:
    """`open_eyes(width, scheme, user=None, scripts=True)`: a page in a browser of its own, signed in as `user`."""
    contexts: list[BrowserContext] = []

    def open_one(width: int, scheme: Any, *, user: User | None = None, scripts: bool = True) -> Eyes:
        context = browser.new_context(
            viewport={"width": width, "height": 844 if width < 500 else 900},
            color_scheme=scheme,
            base_url=live_server.url,
            java_script_enabled=scripts,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
        return Eyes(context.new_page(), f"{'phone' if width < 500 else 'desk'}-{scheme}")

    yield open_one
    for context in contexts:
        context.close()
