#!/usr/bin/env python
"""Mails taken by SMTP and stored for good, per second, against aiosmtpd with a handler that does nothing.

Both servers are one process, the client is another and the same for both: kept connections, each with one mail after the
other, no pipelining. `RATIO` is ours over the peer's; ours checks the mail, seals it and commits it before it says 250.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine
from bench.lab.children import Child, run_module, run_together
from bench.lab.contest import Contest, Figure
from bench.lab.installation import Installation, installed

CONNECTIONS = 20
PEER = "aiosmtpd, empty handler"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens."""

    pid: int
    port: int


@contextmanager
def serving(words: list[str], *, port: int, env: Mapping[str, str]) -> Iterator[Server]:
    """The server while the block runs; returns when it answers."""
    process = subprocess.Popen([sys.executable, *words], cwd=machine.ROOT, env=dict(env), stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait(60)


def measure(
    server: Server, *, mails: int, connections: int, key: str = "", place: Installation | None = None
) -> Figure:
    before = place.query(COUNT) if place else 0
    words = [str(server.port), str(connections), str(mails), *([key] if key else [])]
    env = dict(os.environ)
    busy = machine.cpu_of(server.pid)
    effort = run_together([Child("bench.lab.smtp_client", *words, env=env)])
    taken = effort.told[0]["mails"]
    if place and place.query(COUNT) - before != taken:
        raise RuntimeError("not every mail that was answered is stored")
    return Figure(taken / effort.seconds, {"server-us": (machine.cpu_of(server.pid) - busy) / taken * 1e6})


COUNT = "SELECT count(*) FROM campaigns_message"


def enter_ours(contest: Contest, stack: ExitStack, engine: str, *, mails: int, connections: int) -> None:
    place = stack.enter_context(installed(engine))
    key = str(run_module("bench.lab.scene", "program", env=place.environment)["key"])
    port = free_port()
    ports = {"SMTP_PORT": "0", "SMTP_TLS_PORT": "0", "INBOUND_PORT": "0", "SMTP_PLAIN_PORT": str(port)}
    server = stack.enter_context(serving(["manage.py", "smtpd"], port=port, env={**place.environment, **ports}))
    contest.ways[f"ours {engine}"] = partial(
        measure, server, mails=mails, connections=connections, key=key, place=place
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="A look, in half a minute: small numbers, one round, SQLite."
    )
    parser.add_argument("--mails", type=int, help="Mails of one run (10000; quick: 2000).")
    parser.add_argument("--rounds", type=int, help="Turns each way takes (5; quick: 1).")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--patience", type=int, default=0, help="Times a turn is taken again when others disturbed it.")
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    engines = given.engines or ["sqlite", *(["postgresql"] if postgresql and not given.quick else [])]
    mails = given.mails or (2_000 if given.quick else 10_000)
    contest = Contest("mails/s")
    with ExitStack() as stack:
        port = free_port()
        env = dict(os.environ)
        peer = stack.enter_context(serving(["-m", "bench.lab.smtp_empty", str(port)], port=port, env=env))
        contest.ways[PEER] = partial(measure, peer, mails=mails, connections=given.connections)
        for engine in engines:
            enter_ours(contest, stack, engine, mails=mails, connections=given.connections)
        contest.run(given.rounds or (1 if given.quick else 5), patience=given.patience)
    contest.show_medians()
    print()
    for engine in engines:
        print(contest.ratio(f"smtp-ingest-{engine}", f"ours {engine}", PEER))


if __name__ == "__main__":
    main()
