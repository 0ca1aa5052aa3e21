"""Our own SMTP server on loopback for as long as a door needs it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from campaigns.smtp.limits import Limits
from campaigns.smtp.protocol import Entrance
from campaigns.smtp.server import Listener, serve

_LIMITS = Limits(pause_after_wrong_login=0, goodbye_seconds=2)


@contextlib.contextmanager
def listening(entrance: Entrance | None = None) -> Iterator[int]:
    """The port of a running server; an ordinary entrance without encryption when none is given."""
    ports: list[int] = []
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    def started(found: list[int]) -> None:
        ports.extend(found)
        ready.set()

    async def run() -> None:
        running.append((asyncio.get_running_loop(), stop := asyncio.Event()))
        listener = Listener("127.0.0.1", 0, entrance or Entrance(may_be_plain=True))
        await serve([listener], limits=_LIMITS, hostname="localhost", stop=stop, started=started)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield ports[0]
    finally:
        loop, stop = running[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
