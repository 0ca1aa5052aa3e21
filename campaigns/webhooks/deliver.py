"""The calls themselves: several at once, each over in ten seconds whatever the other side does (evil input 27).

Threads talk to the network and know no table; everything else happens in the caller's thread.
"""

from __future__ import annotations

import queue
import threading
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from campaigns.net import http
from campaigns.net.destinations import NetError
from campaigns.webhooks.signing import Signer, sign

SECONDS = 10.0
SILENCE = 5.0
ANSWER_BYTES = 64 * 1024
THREADS = 32


@dataclass(frozen=True, slots=True, repr=False)
class Call:
    """One request to make; `tag` is the caller's own, `call_id` the same when it is made again."""

    endpoint_id: int
    url: str
    content_type: str
    body: bytes
    call_id: str
    signer: Signer
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it: the status of the answer, or a code when there was none; `pause` is what the other side asked for."""

    status: int | None = None
    code: str = ""
    pause: float = 0.0

    @property
    def is_told(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The receiver says that nobody is there any more, for good (410)."""
        return self.status == 410


def make_call(call: Call, *, session: http.Session, now: datetime) -> Verdict:
    """Make one call now."""
    headers = {"Content-Type": call.content_type, **sign(call.signer, call_id=call.call_id, body=call.body, now=now)}
    try:
        status, pause = http.ask_status(session, "POST", call.url, body=call.body, headers=headers)
    except NetError as error:
        return Verdict(code=error.code)
    return Verdict(status, pause=pause or 0.0)


def open_session() -> http.Session:
    """A connection within the limits for strangers' servers."""
    return http.Session(silence=SILENCE, max_bytes=ANSWER_BYTES, seconds=SECONDS)


class Courier:
    """Makes calls in threads; connections are kept per endpoint until it is closed."""

    def __init__(self, *, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="webhook")
        self._answers: queue.SimpleQueue[tuple[Call, Verdict]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle: dict[int, list[http.Session]] = defaultdict(list)

    def send(self, call: Call) -> None:
        """Make it as soon as a thread is free; its verdict is among `answers` later."""
        self._pool.submit(self._run, call)

    def answers(self, *, seconds: float) -> list[tuple[Call, Verdict]]:
        """What has been answered; waits so long for a first one."""
        found: list[tuple[Call, Verdict]] = []
        try:
            found.append(self._answers.get(timeout=seconds))
            while True:
                found.append(self._answers.get_nowait())
        except queue.Empty:
            return found

    def close(self) -> None:
        """Wait for what is on its way, ten seconds at most, and close the connections."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for sessions in self._idle.values():
            for session in sessions:
                session.close()

    def _run(self, call: Call) -> None:
        session = self._take(call.endpoint_id)
        try:
            verdict = make_call(call, session=session, now=timezone.now())
        except Exception:
            # The edge of a thread: whoever waits for the verdict must get one.
            verdict = Verdict(code="net.connection-lost")
        with self._lock:
            self._idle[call.endpoint_id].append(session)
        self._answers.put((call, verdict))

    def _take(self, endpoint_id: int) -> http.Session:
        with self._lock:
            idle = self._idle[endpoint_id]
            return idle.pop() if idle else open_session()


def describe(verdict: Verdict) -> str:
    """What came of a call, in a sentence for people."""
    if verdict.status is not None:
        return f"The receiver answered with status {verdict.status}."
    return _SENTENCES.get(verdict.code, "The receiver could not be reached.")


_SENTENCES: Mapping[str, str] = {
    "net.timeout": "The receiver did not answer in time.",
    "net.connection-lost": "The receiver closed the connection without an answer.",
    "net.address-refused": "The name leads to an address we must not call.",
    "net.address-unusable": "The address cannot be called.",
    "net.certificate-invalid": "The certificate of the receiver is not valid.",
    "webhook.gone": "There was nothing left to tell: the mail is not kept any more.",
    "webhook.address-unknown": "The request that named the address is not kept any more.",
    "webhook.switched-off": "The webhook was switched off before it was told.",
    "webhook.secret-broken": "The stored settings cannot be opened with the keys of this installation.",
}
