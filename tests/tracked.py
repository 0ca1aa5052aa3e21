"""A campaign that was sent and is tracked: its mails, their links, and people who open and click."""

from __future__ import annotations

import html
import re
import zlib
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.test import Client
from django.utils import timezone

from campaigns.models import (
    Account,
    Event,
    EventKind,
    HitCount,
    Message,
    SandboxMail,
    Split,
    Submission,
    TrackingLevel,
    Verdict,
)
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list, make_version
from tests.mail_reading import html_of

SHOP, BLOG, MORE = "https://shop.example/p?a=1&b=2#top", "https://blog.example/", "https://more.example/x"
SOURCE = (
    '<html><body><p>Hello {{ first_name }}</p><a href="https://shop.example/p?a=1&amp;b=2#top">Shop</a>'
    f'<a href="{BLOG}">Blog</a><a href="{MORE}">More</a>'
    '<a href="https://me.example/?who={{ first_name }}">Me</a>'
    '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 "
    "Mobile/15E148 Safari/604.1"
)
DESK = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"


class TrackedSend:
    """A campaign to `readers` people, each with a mail in the sandbox that left an hour ago."""

    def __init__(
        self,
        account: Account | None = None,
        *,
        readers: int = 1,
        level: int = TrackingLevel.INDIVIDUAL,
        source: str = SOURCE,
        **campaign: Any,
    ) -> None:
        self.account = account or make_account(tracking=level, tracking_needs_consent=False)
        self.list = make_list(self.account)
        people = [make_contact(self.account, lists=[self.list], first_name=f"Ona {n} & co") for n in range(readers)]
        self.addresses = [person.email for person in people]
        self._parts = {"lists": [self.list], "content": make_version(self.account, source=source), **campaign}
        self.send_again()

    def send_again(self) -> None:
        """The same to the same people in a new campaign; the mails of the one before are gone."""
        SandboxMail.objects.filter(account=self.account).delete()
        self.campaign = make_campaign(self.account, **self._parts)
        self.submission: Submission = sending.send_now(self.campaign)
        fanout.plan_submission(self.submission.pk)
        dispatch_slice(self.submission.pk)
        Message.objects.filter(submission=self.submission).update(sent_at=timezone.now() - timedelta(hours=1))
        self.submission.refresh_from_db()

    def message(self, reader: int = 0) -> Message:
        return Message.objects.get(submission=self.submission, recipient=self.addresses[reader])

    def html(self, reader: int = 0) -> str:
        kept = SandboxMail.objects.get(account=self.account, recipient=self.addresses[reader])
        return html_of(zlib.decompress(kept.raw))

    def links(self, reader: int = 0) -> list[str]:
        """The paths of its tracked links, in order."""
        hrefs = re.findall(r'href="([^"]*/c/[^"]*)"', self.html(reader))
        return [urlsplit(html.unescape(href)).path for href in hrefs]

    def pixel(self, reader: int = 0) -> str:
        found = re.search(r'src="([^"]*/o/[^"]*)"', self.html(reader))
        assert found
        return urlsplit(found[1]).path

    def click(self, link: int = 0, *, reader: int = 0, agent: str = DESK, **headers: Any) -> Any:
        return ask(self.links(reader)[link], agent=agent, **headers)

    def open(self, *, reader: int = 0, agent: str = PHONE, **headers: Any) -> Any:
        return ask(self.pixel(reader), agent=agent, **headers)

    def events(self, reader: int = 0) -> list[tuple[str, int | None, bool | None]]:
        """(kind, link, is_machine) of its hits."""
        rows = Event.objects.filter(message=self.message(reader), kind__in=[EventKind.OPENED, EventKind.CLICKED])
        return list(rows.order_by("pk").values_list("kind", "link", "is_machine"))

    def counted(self, kind: str, split: str = Split.TOTAL, part: str = "") -> dict[Verdict, tuple[int, int]]:
        """(hits, people) by verdict, as far as there are any."""
        rows = HitCount.objects.filter(submission=self.submission, kind=kind, split=split, part=part)
        return {Verdict(row.verdict): (row.hits, row.people) for row in rows if row.hits or row.people}


def ask(path: str, *, method: str = "GET", agent: str = DESK, client: Client | None = None, **extra: Any) -> Any:
    return (client or Client()).generic(
        method, path, headers={"user-agent": agent, **extra.pop("headers", {})}, **extra
    )
