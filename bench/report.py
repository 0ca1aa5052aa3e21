#!/usr/bin/env python
"""How long the pages of a campaign with a million mails and three million events take, at the 95th percentile.

Run with `python bench/report.py [--quick]`; on PostgreSQL when one answers at DATABASE_URL or 127.0.0.1, and on SQLite
when asked. The pages are asked for in the process, without a server. The last lines are `RATIO name value`: the slowest
page as a part of the 300 ms it may take, and each page in milliseconds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine
from bench.lab.children import run_module
from bench.lab.installation import installed

PROMISED = 300.0


def measure(engine: str, *, messages: int, rounds: int) -> dict[str, float]:
    """Milliseconds by page."""
    with installed(engine) as place:
        run_module("bench.lab.scene", "fill", "--bare", "--contacts", str(messages), env=place.environment)
        run_module("bench.lab.scene", "start", env=place.environment)
        told = run_module("bench.lab.reports", "fill", env=place.environment)
        print(f"{engine}: {told['messages']:,} messages, {told['events']:,} events, "
              f"by domain and hour in {told['breakdown_seconds']:.1f} s in the background", flush=True)  # fmt: skip
        machine.await_quiet()
        return run_module("bench.lab.reports", "look", "--rounds", str(rounds), env=place.environment)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, help="Mails of the campaign (1000000; quick: 100000).")
    parser.add_argument("--rounds", type=int, default=20, help="How often each page is asked for.")
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--quick", action="store_true", help="A look, in two minutes.")
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    engines = given.engines or (["postgresql"] if postgresql else ["sqlite"])
    messages = given.messages or (100_000 if given.quick else 1_000_000)
    found = {engine: measure(engine, messages=messages, rounds=given.rounds) for engine in engines}
    print()
    for engine, pages in found.items():
        for name, milliseconds in pages.items():
            print(f"RATIO report-{engine}-{name}-p95-ms {milliseconds:.0f}")
        print(f"RATIO report-{engine}-slowest-to-promised {max(pages.values()) / PROMISED:.2f}")


if __name__ == "__main__":
    main()
