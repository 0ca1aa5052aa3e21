#!/usr/bin/env python
"""Messages written per second when a campaign is planned, against one bare INSERT … SELECT of the same rows.

Run with `python bench/fanout.py [--recipients 1000000]`; on SQLite, and on PostgreSQL when one answers at DATABASE_URL
or 127.0.0.1. The bare insert is the upper bound, bulk_create of objects the lower one. The table is emptied before each
run. The last lines are `RATIO name value`.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine
from bench.lab.children import run_module
from bench.lab.contest import Contest, Figure
from bench.lab.installation import Installation, installed

ORM_SHARE = 20


def measure(place: Installation, way: str, *, rows: int) -> Figure:
    told = run_module("bench.lab.rows", way, str(rows), env=place.environment)
    if told["rows"] != rows:
        sys.exit(f"{way}: {rows} rows were to be written and {told['rows']} are there")
    return Figure(rows / told["seconds"], {"own-cpu-ms": told["cpu"] * 1000, "MiB": told["peak_mib"]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, help="Rows of one run (1000000; quick: 100000).")
    parser.add_argument("--rounds", type=int, help="Turns each way takes (3; quick: 1).")
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--quick", action="store_true", help="A look, in a minute.")
    parser.add_argument("--patience", type=int, default=0, help="Times a turn is taken again when others disturbed it.")
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    recipients = given.recipients or (100_000 if given.quick else 1_000_000)
    engines = given.engines or ["sqlite", *(["postgresql"] if postgresql else [])]
    contest = Contest("rows/s")
    with ExitStack() as stack:
        for engine in engines:
            place = stack.enter_context(installed(engine))
            run_module("bench.lab.scene", "fill", "--bare", "--contacts", str(recipients), env=place.environment)
            for way, rows in (("ours", recipients), ("bare", recipients), ("orm", recipients // ORM_SHARE)):
                contest.ways[f"{way} {engine}"] = partial(measure, place, way, rows=rows)
        contest.run(given.rounds or (1 if given.quick else 3), patience=given.patience)
    contest.show_medians()
    print()
    for engine in engines:
        print(contest.ratio(f"fanout-{engine}-to-bare-insert", f"ours {engine}", f"bare {engine}"))
        print(contest.ratio(f"fanout-{engine}-to-bulk-create", f"ours {engine}", f"orm {engine}"))
        print(f"RATIO fanout-{engine}-rows-per-second {contest.median(f'ours {engine}'):.0f}")


if __name__ == "__main__":
    main()
