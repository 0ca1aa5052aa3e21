"""granian with an application of ours or of a peer, as `manage.py run` starts it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.lab import machine, sink
from bench.lab.service import processes_below


def words_of(
    application: str, *, port: int, workers: int = 1, threads: int = 4, python: str = sys.executable
) -> list[str]:
    """The command of a server."""
    return [
        python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--no-ws",
        "--workers", str(workers), "--blocking-threads", str(threads), "--workers-kill-timeout", "10",
        "--log-level", "error", application,
    ]  # fmt: skip


@contextmanager
def serve(
    application: str, *, env: Mapping[str, str], workers: int = 1, threads: int = 4, log: Path | None = None
) -> Iterator[tuple[int, int]]:
    """(port, process id of a worker) while the block runs."""
    port = sink.free_port()
    with ExitStack() as stack:
        out = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        words = words_of(application, port=port, workers=workers, threads=threads)
        server = subprocess.Popen(words, cwd=machine.ROOT, env=dict(env), stdout=out, stderr=out)
        try:
            await_port(port)
            yield port, max(processes_below(server.pid), default=server.pid)
        finally:
            server.terminate()
            server.wait(30)


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
