"""Watches every connection this process opens, so that a test can say where it may go: `sys.addaudithook`, below all libraries."""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings

Place = tuple[str, int]


class Refused(PermissionError):
    """Somebody opened a connection to where none may go; to them it looks like a network that does not let them."""


class SocketGuard:
    """While it stands, a connection or datagram to anywhere but `allowed` is refused, and at the end fails the test.

    The database, Redis and port 53 are allowed by themselves: the first by what the settings say. What threads do that ran
    before is not looked at: those are a test's own servers.
    """

    def __init__(self, allowed: Collection[Place]) -> None:
        self.seen: list[Place] = []
        self.refused: list[object] = []
        self._servers: set[int | None] = set()
        self._allowed = {*allowed, *_own_places()}

    def __enter__(self) -> Self:
        _install()
        assert not _standing, "One guard at a time."
        self._servers = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
        _standing.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _standing.clear()
        # Where the connection was opened may have caught the refusal.
        assert not self.refused, f"opened to {self.refused}"

    def judge(self, address: Any) -> None:
        """Note where a connection goes; raises Refused."""
        if threading.get_ident() in self._servers:
            return
        place = (str(address[0]), int(address[1])) if isinstance(address, tuple) and len(address) >= 2 else None
        if place is not None and (place in self._allowed or place[1] == 53):
            self.seen.append(place)
            return
        self.refused.append(address)
        raise Refused


_standing: list[SocketGuard] = []
_installed: list[bool] = []


def _install() -> None:
    # A hook stays for the life of the process.
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hear)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if _standing and event in {"socket.connect", "socket.sendto"}:
        _standing[0].judge(args[1])


def _own_places() -> set[Place]:
    found: set[Place] = set()
    database = settings.DATABASES["default"]
    if database.get("HOST"):
        found.add((str(database["HOST"]), int(database.get("PORT") or 5432)))
    for url in (getattr(settings, "REDIS_URL", ""), str(settings.CACHES["default"].get("LOCATION", ""))):
        if url and url.startswith("redis"):
            parts = urlsplit(url)
            found.add((parts.hostname or "", parts.port or 6379))
    return found
