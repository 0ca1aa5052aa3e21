#!/usr/bin/env python
"""Requests accepted per second by the HTTP API, each checked, sealed and durable, against the least a Django view can do.

Run with `python bench/api_ingest.py [--seconds 10] [--server gunicorn]` on PostgreSQL: a server with 2 processes of 8
threads (granian, which `manage.py run` starts, or gunicorn's gthread) serves our `POST /email/4/messages` (key, validation, gate, sealed content, rows) and in turn a view
without our middleware that answers at once, and one that stores two rows by the ORM. Each is asked for a second before
anything counts: every thread's first request makes its connection. No worker runs: this is the way in alone. The last lines are
`RATIO name value`.
"""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine, web
from bench.lab.children import Child, run_module, run_together
from bench.lab.contest import Contest, Figure
from bench.lab.installation import installed

CLIENTS = 32
PATH = "/email/4/messages"


def measure(port: int, path: str, *words: str, seconds: float, recipients: int = 1) -> Figure:
    told = run_together([
        Child("bench.lab.api_load", str(port), path, "--seconds", str(seconds), "--recipients", str(recipients), *words,
              env=os.environ)
    ])  # fmt: skip
    answers, p99 = told.told[0]["answers"], told.told[0]["p99_ms"]
    return Figure(answers * recipients / told.seconds, {"p99-ms": p99})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="Length of a turn (10; quick: 4).")
    parser.add_argument("--server", choices=sorted(web.SERVERS), default="granian")
    parser.add_argument("--rounds", type=int, help="Turns each way takes (3; quick: 1).")
    parser.add_argument("--quick", action="store_true", help="A look, in a minute.")
    parser.add_argument("--patience", type=int, default=0, help="Times a turn is taken again when others disturbed it.")
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    if not postgresql:
        sys.exit("This bench needs a PostgreSQL at DATABASE_URL or 127.0.0.1.")
    print(machine.describe(postgresql=postgresql))
    seconds = given.seconds or (4 if given.quick else 10)
    contest = Contest("recipients/s")
    with ExitStack() as stack:
        place = stack.enter_context(installed("postgresql"))
        program = run_module("bench.lab.scene", "program", env=place.environment)
        url = stack.enter_context(installation.database("postgresql"))
        peer = {**os.environ, "DATABASE_URL": url}
        run_module("bench.lab.peers.minimal", env={**peer, "MAKE_TABLES": "1"})
        serve = partial(web.serve, workers=2, threads=8, share=CLIENTS // 2, server=given.server)
        ours, _ = stack.enter_context(
            serve("config.wsgi:application", env=place.environment, log=place.folder / "web.log")
        )
        theirs, _ = stack.enter_context(
            serve("bench.lab.peers.minimal:application", env=peer, log=place.folder / "peer.log")
        )
        words = ("--key", program["key"], "--sender", program["sender"], "--clients", str(CLIENTS))
        contest.ways = {
            "one recipient": partial(measure, ours, PATH, *words, seconds=seconds),
            "1,000 recipients": partial(
                measure, ours, PATH, *words[:4], "--clients", "2", seconds=seconds, recipients=1000
            ),
            "empty view": partial(measure, theirs, "/empty", *words, seconds=seconds),
            "two rows by the ORM": partial(measure, theirs, "/store", *words, seconds=seconds),
        }
        for way in contest.ways.values():
            way(seconds=1)
        contest.run(given.rounds or (1 if given.quick else 3), patience=given.patience)
    contest.show_medians()
    print()
    print(contest.ratio("api-ingest-to-two-rows", "one recipient", "two rows by the ORM"))
    print(contest.ratio("api-ingest-to-empty-view", "one recipient", "empty view"))
    print(f"RATIO api-ingest-recipients-per-second {contest.median('1,000 recipients'):.0f}")


if __name__ == "__main__":
    main()
