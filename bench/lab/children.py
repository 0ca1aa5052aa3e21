"""Processes that get ready, start together at a signal, and tell what they did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.lab import machine

READY = "ready"


def work_on_signal(work: Callable[[], Mapping[str, Any] | None]) -> None:
    """In the child: say that everything is loaded, wait for the signal, work, and print one line of JSON."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Whatever the work prints is not for the parent.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    print(READY, file=answers)
    if not sys.stdin.readline():
        return
    began, cpu = time.perf_counter(), _own_cpu()
    told = dict(work() or {})
    told |= {"seconds": time.perf_counter() - began, "cpu": _own_cpu() - cpu, "peak_kib": machine.peak_memory()}
    print(json.dumps(told), file=answers)


def _own_cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Child:
    """A module that calls work_on_signal, run as a process."""

    def __init__(self, module: str, *words: str, env: Mapping[str, str], python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module, *words],
            cwd=machine.ROOT,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def await_ready(self) -> None:
        if self._read() != READY:
            raise RuntimeError(f"a child ended before it was ready: {self._process.args!r}")

    def start(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def await_answer(self) -> dict[str, Any]:
        """What it told when its work was done; raises when it failed."""
        line = self._read()
        if not line:
            raise RuntimeError(f"a child failed: {self._process.args!r}")
        told: dict[str, Any] = json.loads(line)
        return told

    def end(self) -> None:
        # It has answered or failed: nothing of value is lost.
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass(frozen=True, slots=True)
class Effort:
    """What a run took: wall-clock seconds, processor seconds of the children and of the machine, peak memory of one."""

    seconds: float
    cpu: float
    machine_cpu: float
    peak_mib: float
    told: tuple[Mapping[str, Any], ...] = ()


def run_together(children: Sequence[Child]) -> Effort:
    """Start the children at one moment and wait for all; loading is not counted."""
    try:
        for child in children:
            child.await_ready()
        began, busy = time.perf_counter(), machine.cpu_of_machine()
        for child in children:
            child.start()
        told = tuple(child.await_answer() for child in children)
        seconds, busy = time.perf_counter() - began, machine.cpu_of_machine() - busy
    finally:
        for child in children:
            child.end()
    peak = max(entry["peak_kib"] for entry in told) / 1024
    return Effort(seconds, sum(entry["cpu"] for entry in told), busy, peak, told)


def run_module(module: str, *words: str, env: Mapping[str, str], python: str = sys.executable) -> dict[str, Any]:
    """Run a module to its end; the JSON of the last line it prints."""
    done = subprocess.run(
        [python, "-m", module, *words],
        cwd=machine.ROOT, env=dict(env), stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    told: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return told
