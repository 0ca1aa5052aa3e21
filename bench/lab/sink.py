"""Where the mail goes: Postfix's smtp-sink, straight or behind a link with a round trip."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.lab import machine

_POSTFIX = machine.KEPT / "postfix"


@dataclass(frozen=True, slots=True)
class Server:
    """A server of ours on loopback."""

    pid: int
    port: int

    @property
    def cpu(self) -> float:
        return machine.cpu_of(self.pid)


def postfix_tool(name: str) -> str:
    """The path of smtp-sink or smtp-source; stops with what to do when it is not there."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:{_POSTFIX / 'usr/sbin'}"
    found = shutil.which(name, path=places)
    if found is None:
        sys.exit(f"{name} is missing: run bench/setup")
    return found


def postfix_environment() -> dict[str, str]:
    """The unpacked tools find their libraries beside them."""
    folders = [_POSTFIX / "usr/lib/postfix", *_POSTFIX.glob("usr/lib/*-linux-gnu")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(str(folder) for folder in folders)} if _POSTFIX.exists() else dict(os.environ)  # fmt: skip


@contextmanager
def smtp_sink() -> Iterator[Server]:
    """A fresh smtp-sink that accepts everything and keeps nothing."""
    port = free_port()
    # It refuses to serve as root and takes the user to become.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    words = [postfix_tool("smtp-sink"), "-4", *user, "-m", "1000", f"127.0.0.1:{port}", "1024"]
    with running(words, port=port) as server:
        yield server


@contextmanager
def slow_link(target: int, *, milliseconds: float) -> Iterator[Server]:
    """A port that leads to the target through a link with this round-trip time."""
    port = free_port()
    words = [sys.executable, "-m", "bench.lab.delay", str(port), str(target), str(milliseconds)]
    with running(words, port=port) as server:
        yield server


@contextmanager
def running(words: Sequence[str], *, port: int) -> Iterator[Server]:
    """The program while the block runs, from the moment it listens."""
    process = subprocess.Popen(
        words, cwd=machine.ROOT, env=postfix_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _await_listening(process, port)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait()


def _await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.3).close()
        except OSError:
            time.sleep(0.03)
        else:
            return
    raise RuntimeError(f"{Path(str(process.args[0])).name} does not listen")  # type: ignore[index]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def smtp_source(server: Server, *, messages: int, size: int, connections: int, keep: bool) -> float:
    """Seconds Postfix's smtp-source takes for so many messages; `keep`: over kept connections, else one each."""
    words = [postfix_tool("smtp-source"), *(["-d"] if keep else []), "-s", str(connections), "-m", str(messages)]
    words += ["-l", str(size), "-f", "news@example.com", "-t", "user@example.net", f"127.0.0.1:{server.port}"]
    began = time.perf_counter()
    subprocess.run(words, env=postfix_environment(), check=True)
    return time.perf_counter() - began
