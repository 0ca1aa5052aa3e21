"""A program that is told: an account, what it sends, a receiver on loopback, and the worker that tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from campaigns.models import (
    Event,
    EventKind,
    Message,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookKind,
)
from campaigns.tracking.telling import tell
from campaigns.webhooks import bell
from campaigns.webhooks.endpoints import Wish, create_endpoint
from tests.api import Program
from tests.http_server import Asked, LoopbackServer, Reply

ALL_KINDS = tuple(WebhookKind)


class Receiver(LoopbackServer):
    """What it was told, as JSON."""

    def __init__(self, answer: Callable[[Asked], Reply] = lambda _: Reply(), **options: Any) -> None:
        super().__init__(answer, **options)

    def results(self) -> list[dict[str, Any]]:
        """Every delivery report it was told, in the order of the calls."""
        return [entry for asked in self.asked if "results" in asked.json() for entry in asked.json()["results"]]

    def events(self) -> list[dict[str, Any]]:
        """Every call with something else."""
        return [asked.json() for asked in self.asked if "results" not in asked.json()]


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.NET_ALLOW_PRIVATE = True
    bell.forget_listeners()
    with Receiver() as server:
        yield server
    bell.forget_listeners()


def listen(program: Program, url: str, **wish: Any) -> tuple[WebhookEndpoint, str]:
    """An endpoint of the program's account, and its secret."""
    wish = {"name": url, "kinds": [WebhookKind.DELIVERY]} | wish
    return create_endpoint(program.account, Wish(url=url, **wish))


def happen(kind: EventKind, message: Message | None = None, **fields: Any) -> Event:
    """Something happens to a mail: the last one when none is given."""
    message = message or Message.objects.order_by("pk").last()
    assert message is not None
    fields = {"at": message.sent_at or message.next_attempt_at} | fields
    return Event.objects.create(message=message, kind=kind, **fields)


def tell_all() -> None:
    """The worker's job, as long as something is due."""
    while tell(linger=0):
        pass


def states() -> list[tuple[str, str, int]]:
    """(kind, state, attempts) of every delivery, in order."""
    rows = WebhookDelivery.objects.order_by("pk")
    return [(row.get_kind_display(), row.get_state_display(), row.attempts) for row in rows]
