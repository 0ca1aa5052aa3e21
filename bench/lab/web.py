"""A web server with an application of ours or of a peer: granian as `manage.py run` starts it, or gunicorn."""

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


def words_of(application: str, *, port: int, workers: int = 1, threads: int = 4, share: int = 0) -> list[str]:
    """The command of granian."""
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--no-ws",
        "--workers", str(workers), "--blocking-threads", str(threads), "--workers-kill-timeout", "10",
        # No worker takes more connections than its share: the first to wake would take all of them, and they are kept.
        *(["--backpressure", str(share)] if share else []), "--log-level", "error", application,
    ]  # fmt: skip


def gunicorn_words(application: str, *, port: int, workers: int = 1, threads: int = 4, share: int = 0) -> list[str]:
    """The command of gunicorn with threads; bench/setup has it in a folder of its own. It knows no share."""
    del share
    start = "import sys; sys.path.append(sys.argv.pop(1)); from gunicorn.app.wsgiapp import run; run()"
    return [
        sys.executable, "-c", start, str(machine.KEPT / "servers"), "--worker-class", "gthread",
        "--bind", f"127.0.0.1:{port}", "--workers", str(workers), "--threads", str(threads), "--keep-alive", "60",
        "--log-level", "error", application,
    ]  # fmt: skip


SERVERS = {"granian": words_of, "gunicorn": gunicorn_words}


@contextmanager
def serve(
    application: str,
    *,
    env: Mapping[str, str],
    workers: int = 1,
    threads: int = 4,
    share: int = 0,
    log: Path | None = None,
    server: str = "granian",
) -> Iterator[tuple[int, int]]:
    """(port, process id of a worker) while the block runs."""
    port = sink.free_port()
    with ExitStack() as stack:
        out = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        words = SERVERS[server](application, port=port, workers=workers, threads=threads, share=share)
        process = subprocess.Popen(words, cwd=machine.ROOT, env=dict(env), stdout=out, stderr=out)
        try:
            await_port(port)
            yield port, max(processes_below(process.pid), default=process.pid)
        finally:
            process.terminate()
            process.wait(30)


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
