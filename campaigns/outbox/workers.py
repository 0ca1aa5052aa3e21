"""Who holds a claim, and whether that process still lives."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from functools import cache
from pathlib import Path


def new_worker() -> str:
    """A name for one dispatch run: host, process, start of the process, and a nonce; at most 60 characters."""
    return f"{_host()}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"


def is_dead(worker: str) -> bool:
    """True when the worker ran on this host and its process is gone; False when alive or not for us to know."""
    host, _, rest = worker.rpartition(":")[0].partition(":")
    pid, _, started = rest.partition(":")
    if host != _host() or not pid.isdigit() or not started:
        return False
    return _started(int(pid)) != started


@cache
def _host() -> str:
    # Where host names repeat, the boot id tells machines and restarts apart, the process namespace containers that
    # share a machine and its name: a process of another namespace looks dead from here and is not.
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    seen = f"{boot.read_text('ascii')}{space.readlink()}" if boot.exists() and space.is_symlink() else ""
    mark = f"-{hashlib.sha256(seen.encode()).hexdigest()[:6]}" if seen else ""
    return f"{socket.gethostname()[:24].replace(':', '-')}{mark}"


def _started(pid: int) -> str:
    """The start time of a process in clock ticks (proc_pid_stat(5), field 22); '' when gone or not Linux.

    Process numbers are used again, so a number alone does not say whether it is the same process.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
