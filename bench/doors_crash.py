#!/usr/bin/env python
"""Mails accepted by the HTTP API and the SMTP API while both servers are killed and restarted, counted in the ledger.

Run with `python bench/doors_crash.py [--clients 200] [--smtp 20] [--seconds 60] [--kills 2]`: clients of both send mail after
mail, each with an id of its own, and repeat it until it is answered; kill -9 hits all processes of both servers. Every mail
that was answered by a 200 or a 250 must be in the ledger exactly once. On SQLite and on PostgreSQL. The last lines are
`RATIO name value`.
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
from bench.lab.smtp_client import run_stubborn_client as run_stubborn_smtp_client

ROWS = "SELECT count(*) FROM campaigns_message"
NAMES = "SELECT count(DISTINCT client_id) FROM campaigns_message"


async def bombard(
    ports: tuple[int, int], servers: tuple[Service, ...], *, program: dict[str, str], given: argparse.Namespace
) -> Tally:
    tally, until = Tally(), time.monotonic() + given.seconds
    key, (http, smtp) = program["key"], ports
    ways = [
        asyncio.create_task(run_stubborn_smtp_client(number, smtp, key=key, until=until, tally=tally))
        for number in range(given.smtp)
    ]
    ways += [
        asyncio.create_task(
            run_stubborn_client(number, http, key=key, sender=program["sender"], until=until, tally=tally)
        )
        for number in range(given.clients)
    ]
    for _ in range(given.kills):
        await asyncio.sleep(given.seconds / (given.kills + 1))
        service.kill([pid for server in servers for pid in server.members()])
        print(f"  killed after {len(tally.answered):,} answers", flush=True)
    await asyncio.gather(*ways)
    return tally


def crash(place: Installation, *, given: argparse.Namespace) -> tuple[int, int, int]:
    """(answered, lost, doubled)."""
    program = run_module("bench.lab.scene", "program", env=place.environment)
    http, smtp = sink.free_port(), sink.free_port()
    ports = {"SMTP_PORT": "0", "SMTP_TLS_PORT": "0", "INBOUND_PORT": "0", "SMTP_PLAIN_PORT": str(smtp)}
    words = web.words_of("config.wsgi:application", port=http, workers=2, threads=8)[1:]
    with (
        service.kept_running(words, env=place.environment, log=place.folder / "web.log") as web_server,
        service.kept_running(
            ["manage.py", "smtpd"], env={**place.environment, **ports}, log=place.folder / "smtp.log"
        ) as smtp_server,
    ):
        web.await_port(http)
        web.await_port(smtp)
        tally = asyncio.run(bombard((http, smtp), (web_server, smtp_server), program=program, given=given))
    rows, names = place.query(ROWS), place.query(NAMES)
    quoted = [f"'{name}'" for name in tally.answered]
    found = sum(
        place.query(f"SELECT count(DISTINCT client_id) FROM campaigns_message WHERE client_id IN ({', '.join(some)})")
        for some in (quoted[first : first + 5000] for first in range(0, len(quoted), 5000))
    )
    print(
        f"{place.engine}: answered={len(tally.answered)} by-smtp={sum(n.startswith('s') for n in tally.answered)} lost={len(tally.answered) - found} doubled={rows - names} "
        f"broken-connections={tally.broken} other-answers={tally.other}",
        flush=True,
    )
    return len(tally.answered), len(tally.answered) - found, rows - names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--smtp", type=int, default=20, help="Clients of the SMTP API beside them.")
    parser.add_argument("--seconds", type=float, help="How long (60; quick: 15).")
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    given.seconds = given.seconds or (15 if given.quick else 60)
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    service.adopt_orphans()
    ratios, sound = [], True
    for engine in given.engines or ["sqlite", *(["postgresql"] if postgresql else [])]:
        with ExitStack() as stack:
            place = stack.enter_context(installed(engine))
            answered, lost, doubled = crash(place, given=given)
            ratios += [f"RATIO doors-crash-{engine}-lost {lost}", f"RATIO doors-crash-{engine}-doubled {doubled}"]
            sound = sound and bool(answered) and not lost and not doubled
    print("\n" + "\n".join(ratios))
    if not sound:
        sys.exit("a mail that was answered is missing, or is there twice")


if __name__ == "__main__":
    main()
