"""Asking a key service over HTTP: few calls, short waits, and nothing of an answer in any text."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any

from campaigns.net import http
from campaigns.net.destinations import NetError
from compliance.vault.errors import KeysUnavailable

# A data key is asked for once in minutes; whoever waits for it holds up mail.
SILENCE_SECONDS = 10.0
ANSWER_BYTES = 64 * 1024
_TRIES = 2


class Service:
    """The kept connections to one key service, one for each thread."""

    def __init__(self, base_url: str, *, ca_file: str = "") -> None:
        self.base_url = base_url.rstrip("/")
        self._ca_file = ca_file or None
        self._local = threading.local()

    def ask(self, path: str, *, content: object, headers: Mapping[str, str]) -> http.Answer:
        """The answer, whatever its status; content None asks by GET.

        Raises KeysUnavailable when there is no answer, or one that says to come back.
        """
        method, body = ("GET", None) if content is None else ("POST", json.dumps(content).encode())
        for _ in range(_TRIES):
            try:
                answer = http.ask(self._session(), method, self.base_url + path, body=body, headers=headers)
            except NetError:
                continue
            if answer.status < 500 and answer.status != 429:
                return answer
        raise KeysUnavailable

    def _session(self) -> http.Session:
        session: http.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = http.Session(silence=SILENCE_SECONDS, max_bytes=ANSWER_BYTES, ca_file=self._ca_file, is_ours=True)
            self._local.session = session
        return session


def read_object(answer: http.Answer) -> dict[str, Any]:
    """The JSON object of an answer; raises KeysUnavailable for anything else."""
    try:
        content = answer.json()
    except ValueError:
        raise KeysUnavailable from None
    if not isinstance(content, dict):
        raise KeysUnavailable
    return content
