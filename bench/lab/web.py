"""Web servers of the benches: gunicorn with threads, in front of an application of ours or of a peer's."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.lab import machine, sink

WORKERS, THREADS = 2, 8


def words_of(application: str, *, port: int, python: str = sys.executable) -> list[str]:
    """The command of a server."""
    return [
        python, "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", "--worker-class", "gthread",
        "--workers", str(WORKERS), "--threads", str(THREADS), "--keep-alive", "30", "--log-level", "error",
    ]  # fmt: skip


@contextmanager
def serving(application: str, *, env: Mapping[str, str], log: Path) -> Iterator[int]:
    """A server that answers at the port given, and ends at the end."""
    port = sink.free_port()
    with log.open("ab") as out:
        server = subprocess.Popen(
            words_of(application, port=port), cwd=machine.ROOT, env=dict(env), stdout=out, stderr=out
        )
    try:
        await_port(port)
        yield port
    finally:
        server.terminate()
        server.wait()


def await_port(port: int, *, seconds: float = 60) -> None:
    """Return when something answers there."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"nothing answers at port {port}")
