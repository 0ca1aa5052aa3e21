"""`manage.py worker` under something like a service manager, and processes to kill in it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.lab import machine

_PR_SET_CHILD_SUBREAPER = 36
_ESTABLISHED = "01"


class Service:
    """Keeps the command running: when its main process is gone the rest is killed, and it is started again."""

    def __init__(self, words: list[str], *, env: Mapping[str, str], log: Path, pause: float = 1.0) -> None:
        self._words, self._env, self._log, self._pause = words, dict(env), log, pause
        self._stopping = False
        self.starts = 0
        self._start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def members(self) -> list[int]:
        """All living processes of the service, the main one first."""
        return [self._process.pid, *sorted(processes_below(self._process.pid))]

    def stop(self) -> None:
        self._stopping = True
        self._thread.join()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(75)
        self._clear()

    def _start(self) -> None:
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words,
                cwd=machine.ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _watch(self) -> None:
        while not self._stopping:
            if self._process.poll() is not None:
                self._clear()
                time.sleep(self._pause)
                self._start()
            time.sleep(0.02)

    def _clear(self) -> None:
        """What is left of the service has become a child of ours (see adopt_orphans)."""
        while orphans := processes_below(os.getpid()) & _of_the_same_program(self._words):
            kill(orphans)
            time.sleep(0.02)
            _reap(orphans)


@contextmanager
def kept_running(words: list[str], *, env: Mapping[str, str], log: Path) -> Iterator[Service]:
    service = Service([sys.executable, *words], env=env, log=log)
    try:
        yield service
    finally:
        service.stop()


def adopt_orphans() -> None:
    """From now on what our children leave behind becomes our child, as with a service manager (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def kill(pids: set[int] | list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _reap(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _of_the_same_program(words: list[str]) -> set[int]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().split(b"\0")[: len(words)] == [word.encode() for word in words]:
                found.add(int(folder.name))
    return found


def processes_below(pid: int) -> set[int]:
    """Process ids of all living descendants (Linux)."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text("ascii", "replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)] = int(parent)
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return found - {pid}


def connections_to(port: int, pids: list[int]) -> int:
    """How many connections to the port these processes hold open now (proc_net_tcp)."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _ESTABLISHED and int(fields[2].rpartition(":")[2], 16) == port:
            inodes.add(fields[9])
    held = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    held.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    return len(inodes & held)
