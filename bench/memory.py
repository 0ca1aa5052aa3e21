#!/usr/bin/env python
"""Peak memory of a worker that plans and sends a campaign, at ten thousand recipients and at a million.

Run with `python bench/memory.py [--quick]` after bench/setup; on SQLite, and on PostgreSQL when one answers at
DATABASE_URL or 127.0.0.1. One `manage.py dispatch --drain` does everything, into smtp-sink over ten connections. The
last lines are `RATIO name value`: the peak of the large campaign over that of the small one.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine, sink
from bench.lab.children import Child, run_module, run_together
from bench.lab.contest import Contest, Figure
from bench.lab.installation import installed

SMALL, LARGE, QUICK = 10_000, 1_000_000, 200_000
SENT = "SELECT count(*) FROM campaigns_message WHERE state = 'sent'"


def measure(engine: str, *, recipients: int) -> Figure:
    """MiB at the highest, in an installation of its own; stops when a single mail is not recorded as sent."""
    with sink.smtp_sink() as server, installed(engine) as place:
        words = ["--contacts", str(recipients), "--port", str(server.port)]
        run_module("bench.lab.scene", "fill", *words, env=place.environment)
        run_module("bench.lab.scene", "send", env=place.environment)
        effort = run_together([Child("bench.lab.sender", env=place.environment)])
        if (sent := place.query(SENT)) != recipients:
            sys.exit(f"{recipients} were to be sent and {sent} are recorded")
    return Figure(effort.peak_mib, {"before": effort.told[0]["start_mib"], "mails/s": recipients / effort.seconds})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"The large campaign has {QUICK:,} recipients.")
    parser.add_argument("--large", type=int, help="Recipients of the large campaign.")
    parser.add_argument("--rounds", type=int, default=1, help="Memory hardly varies: once unless asked.")
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--patience", type=int, default=0, help="Times a turn is taken again when others disturbed it.")
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    engines = given.engines or ["sqlite", *(["postgresql"] if postgresql and not given.quick else [])]
    large = given.large or (QUICK if given.quick else LARGE)
    contest = Contest("MiB")
    for engine in engines:
        contest.ways[f"{SMALL} on {engine}"] = partial(measure, engine, recipients=SMALL)
        contest.ways[f"{large} on {engine}"] = partial(measure, engine, recipients=large)
    contest.run(given.rounds, patience=given.patience)
    contest.show_medians()
    print()
    for engine in engines:
        print(contest.ratio(f"memory-{engine}-{large}-to-{SMALL}", f"{large} on {engine}", f"{SMALL} on {engine}"))
        print(f"RATIO memory-{engine}-MiB {contest.median(f'{large} on {engine}'):.0f}")


if __name__ == "__main__":
    main()
