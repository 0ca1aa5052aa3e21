"""Child processes that live and end together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable

_STOP_SECONDS = 75


def run_together(commands: dict[str, list[str]], *, should_stop: Callable[[], bool]) -> str:
    """Run the commands until should_stop() or until one ends by itself; the name of that one, or ''."""
    # Groups of their own: Ctrl-C reaches us alone, and each child is told once.
    children = {name: subprocess.Popen(words, process_group=0) for name, words in commands.items()}  # noqa: S603
    ended = ""
    while not should_stop() and not ended:
        time.sleep(0.2)
        ended = next((name for name, child in children.items() if child.poll() is not None), "")
    deadline = time.monotonic() + _STOP_SECONDS
    for child in children.values():
        child.terminate()
    for child in children.values():
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(deadline - time.monotonic(), 0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    return ended
