"""What the figures were measured on, and how busy it was meanwhile."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "var" / "bench"  # what bench/setup installs
TICKS = os.sysconf("SC_CLK_TCK")
CORES = len(os.sched_getaffinity(0))


def describe(*, postgresql: str = "") -> str:
    """Machine and versions in a few lines, for the top of every bench."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = " ".join(f"{name} {metadata.version(name)}" for name in ("django", "cryptography", "psycopg"))
    lines = [
        f"machine: {CORES} cores of {_processor()}, {memory:.0f} GB, Linux {platform.release()}",
        f"versions: Sealpost {_commit()}, Python {platform.python_version()}, {packages}, "
        f"SQLite {sqlite3.sqlite_version}" + (f", {postgresql}" if postgresql else ""),
        f"run: {Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}".rstrip(),
    ]
    return "\n".join(lines)


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8", "replace"), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _commit() -> str:
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "of unknown commit"


def cpu_of(pid: int) -> float:
    """Processor seconds a process has used, without its children; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_of_machine() -> float:
    """Processor seconds the whole machine has been busy."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text("ascii").split()[1:9])
    return (user + nice + system + irq + softirq) / TICKS


def peak_memory() -> int:
    """The largest resident size of this process so far, in KiB (ru_maxrss would be inherited from the parent)."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii", "replace"), re.MULTILINE)
    return int(found[1]) if found else 0


def await_quiet(*, seconds: float = 8.0) -> None:
    """Return when nobody else has used much of the machine for a moment, or when so many seconds are over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        busy = cpu_of_machine()
        time.sleep(0.3)
        if cpu_of_machine() - busy < 0.3 * 0.15 * CORES:
            return


def cpu_of_others() -> float:
    """Processor seconds of the machine that neither this bench nor a database server has used."""
    times = os.times()
    ours = times.user + times.system + times.children_user + times.children_system
    parents, used = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text("ascii", "replace").partition("(")[2].rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        pid, seconds = int(folder.name), sum(map(int, fields[11:15])) / TICKS
        parents[pid], used[pid] = int(fields[1]), seconds
        if name in {"postgres", "redis-server"}:
            ours += seconds
    below = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= grown
    return cpu_of_machine() - ours - sum(used[pid] for pid in below - {os.getpid()})
