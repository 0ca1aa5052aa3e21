#!/usr/bin/env python
"""Mails accepted by the HTTP API while its server is killed and restarted, counted in the ledger.

Run with `python bench/api_crash.py [--clients 200] [--seconds 60] [--kills 2]`: clients send mail after mail, each with an
id of its own, and repeat a request until it is answered; kill -9 hits all processes of the web server. Every mail that
was answered by a 200 must be in the ledger exactly once. On SQLite and on PostgreSQL. The last lines are `RATIO name value`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine, service, sink, web
from bench.lab.api_load import Tally, run_stubborn_client
from bench.lab.children import run_module
from bench.lab.installation import Installation, installed
from bench.lab.service import Service

ROWS = "SELECT count(*) FROM campaigns_message"
NAMES = "SELECT count(DISTINCT client_id) FROM campaigns_message"


async def bombard(
    port: int, server: Service, *, program: dict[str, str], clients: int, seconds: float, kills: int
) -> Tally:
    tally, until = Tally(), time.monotonic() + seconds
    ways = [
        asyncio.create_task(
            run_stubborn_client(number, port, key=program["key"], sender=program["sender"], until=until, tally=tally)
        )
        for number in range(clients)
    ]
    for _ in range(kills):
        await asyncio.sleep(seconds / (kills + 1))
        service.kill(server.members())
        print(f"  killed after {len(tally.answered):,} answers", flush=True)
    await asyncio.gather(*ways)
    return tally


def crash(place: Installation, *, clients: int, seconds: float, kills: int) -> tuple[int, int, int]:
    """(answered, lost, doubled)."""
    program = run_module("bench.lab.scene", "program", env=place.environment)
    port = sink.free_port()
    with service.kept_running(
        web.words_of("config.wsgi:application", port=port, workers=2, threads=8)[1:],
        env=place.environment,
        log=place.folder / "web.log",
    ) as server:
        web.await_port(port)
        tally = asyncio.run(bombard(port, server, program=program, clients=clients, seconds=seconds, kills=kills))
    rows, names = place.query(ROWS), place.query(NAMES)
    quoted = [f"'{name}'" for name in tally.answered]
    found = sum(
        place.query(f"SELECT count(DISTINCT client_id) FROM campaigns_message WHERE client_id IN ({', '.join(some)})")
        for some in (quoted[first : first + 5000] for first in range(0, len(quoted), 5000))
    )
    print(
        f"{place.engine}: answered={len(tally.answered)} lost={len(tally.answered) - found} doubled={rows - names} "
        f"broken-connections={tally.broken} other-answers={tally.other}",
        flush=True,
    )
    return len(tally.answered), len(tally.answered) - found, rows - names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="How long (60; quick: 15).")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    service.adopt_orphans()
    ratios, sound = [], True
    for engine in given.engines or ["sqlite", *(["postgresql"] if postgresql else [])]:
        with ExitStack() as stack:
            place = stack.enter_context(installed(engine))
            seconds = given.seconds or (15 if given.quick else 60)
            answered, lost, doubled = crash(place, clients=given.clients, seconds=seconds, kills=given.kills)
            ratios += [f"RATIO api-crash-{engine}-lost {lost}", f"RATIO api-crash-{engine}-doubled {doubled}"]
            sound = sound and bool(answered) and not lost and not doubled
    print("\n" + "\n".join(ratios))
    if not sound:
        sys.exit("a mail that was answered is missing, or is there twice")


if __name__ == "__main__":
    main()
