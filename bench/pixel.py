#!/usr/bin/env python
"""Pictures and redirects answered per second, against a bare Django view with the same picture; and hits written down.

Run with `python bench/pixel.py [--quick]`; on SQLite, and on PostgreSQL when one answers at DATABASE_URL or 127.0.0.1.
Both servers are granian with four threads, asked over the same kept connections. Then a million hits go through the
buffer into the database while its memory is watched. The last lines are `RATIO name value`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, load, machine
from bench.lab.children import run_module
from bench.lab.contest import Contest, Figure
from bench.lab.installation import Installation, installed
from bench.lab.web import serve

CONNECTIONS = 8
WRITTEN = "SELECT count(*) FROM campaigns_event WHERE kind IN ('opened', 'clicked')"


def measure(port: int, paths: list[str], *, seconds: float) -> Figure:
    """Requests a second while the server is never idle, and how long one takes meanwhile."""
    answered = load.ask(port, paths, seconds=seconds, connections=CONNECTIONS)
    return Figure(answered.rate, {"p50-ms": answered.percentile(50), "p99-ms": answered.percentile(99)})


def measure_ingest(place: Installation, *, events: int) -> Figure:
    told = run_module("bench.lab.visits", "ingest", "--count", str(events), env=place.environment)
    if told["counted"] < events:
        sys.exit(f"{events} hits came in and {told['counted']} are counted")
    more = {"MiB-at-a-tenth": told["early"] / 1024, "MiB-at-the-end": told["peak"] / 1024}
    return Figure(events / told["seconds"], more)


def prepare(place: Installation, *, messages: int, paths: int) -> list[str]:
    run_module("bench.lab.scene", "fill", "--bare", "--contacts", str(messages), env=place.environment)
    run_module("bench.lab.scene", "start", env=place.environment)
    told = run_module("bench.lab.visits", "prepare", "--count", str(paths), env=place.environment)
    return Path(told["tokens"]).read_text("ascii").split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="A look, in two minutes.")
    parser.add_argument("--events", type=int, help="Hits to write down (1000000; quick: 50000).")
    parser.add_argument("--seconds", type=float, help="How long each server is asked in a round (8; quick: 3).")
    parser.add_argument("--rounds", type=int, help="Turns each way takes (5; quick: 2).")
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    events = given.events or (50_000 if given.quick else 1_000_000)
    seconds = given.seconds or (3.0 if given.quick else 8.0)
    engines = given.engines or ["sqlite", *(["postgresql"] if postgresql else [])]
    contest, writing = Contest("requests/s"), Contest("hits/s")
    with ExitStack() as stack:
        port, _ = stack.enter_context(serve("bench.lab.peers.pixel:application", env=os.environ))
        contest.ways["bare view"] = partial(measure, port, ["/o/x.gif"] * CONNECTIONS, seconds=seconds)
        for engine in engines:
            place = stack.enter_context(installed(engine))
            tokens = prepare(place, messages=max(events // 10, 20_000), paths=20_000)
            port, _ = stack.enter_context(serve("config.wsgi:application", env=place.environment))
            pixels = [f"/o/{token}.gif" for token in tokens]
            clicks = [f"/c/{token}.1" for token in tokens]
            contest.ways[f"pixel {engine}"] = partial(measure, port, pixels, seconds=seconds)
            contest.ways[f"redirect {engine}"] = partial(measure, port, clicks, seconds=seconds)
            writing.ways[f"written {engine}"] = partial(measure_ingest, place, events=events)
        contest.run(given.rounds or (2 if given.quick else 5))
        time.sleep(1)
        contest.show_medians()
        writing.run(1)
        writing.show_medians()
    print()
    for engine in engines:
        print(contest.ratio(f"pixel-{engine}-to-bare-view", f"pixel {engine}", "bare view"))
        print(f"RATIO redirect-{engine}-p99-ms {contest.median(f'redirect {engine}', 'p99-ms'):.1f}")
        print(f"RATIO hits-{engine}-per-second {writing.median(f'written {engine}'):.0f}")
        early, late = (writing.median(f"written {engine}", name) for name in ("MiB-at-a-tenth", "MiB-at-the-end"))
        print(f"RATIO hits-{engine}-memory-growth {late / early:.2f}")
        print(f"RATIO hits-{engine}-peak-MiB {late:.0f}")


if __name__ == "__main__":
    main()
