"""A worker: `manage.py dispatch --drain`, started at the signal: python -m bench.lab.sender [PROFILE]."""

from __future__ import annotations

import cProfile
import io
import sys
from typing import Any

import django

django.setup()

from django.core.management import call_command, load_command_class  # noqa: E402
from django.db import connection  # noqa: E402

from bench.lab import machine  # noqa: E402
from bench.lab.children import work_on_signal  # noqa: E402

_COMMAND = load_command_class("campaigns", "dispatch")


def drain() -> dict[str, Any]:
    said = io.StringIO()
    server = _server()
    busy, start = machine.cpu_of(server), machine.peak_memory()
    call_command(_COMMAND, drain=True, stdout=said)
    return {"said": said.getvalue(), "database_cpu": machine.cpu_of(server) - busy, "start_mib": start / 1024}


def _server() -> int:
    """The process that serves this one in a PostgreSQL on the same machine; 0 for none, which uses no time."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def drain_profiled() -> dict[str, Any]:
    profile = cProfile.Profile()
    told = profile.runcall(drain)
    profile.dump_stats(sys.argv[1])
    return told


if __name__ == "__main__":
    connection.ensure_connection()
    work_on_signal(drain_profiled if len(sys.argv) > 1 else drain)
