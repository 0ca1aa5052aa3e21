"""granian with an application of ours or of a peer, as `manage.py run` starts it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bench.lab import machine
from bench.lab.service import processes_below

_START_SECONDS = 30.0


@contextmanager
def serve(application: str, *, env: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """(port, process id of the worker) while the block runs."""
    port = _free_port()
    words = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    words += ["--no-ws", "--blocking-threads", "4", "--log-level", "error", "--workers-kill-timeout", "10", application]
    process = subprocess.Popen(words, cwd=machine.ROOT, env=dict(env), stdout=subprocess.DEVNULL)
    try:
        _await_port(port)
        yield port, max(processes_below(process.pid), default=process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the server does not answer")
