#!/usr/bin/env python
"""Mails lost and doubled when worker processes are killed in the middle of a send, counted by the server they went to.

Run with `python bench/crash.py [--messages 20000] [--kills 20]`: `manage.py worker`, restarted as a service manager
would, sends one campaign into an SMTP server that counts, while kill -9 hits it at random moments: one process of its
tree, its main process, or all. On SQLite, and on PostgreSQL + Redis when both answer. Nobody helps. The bound is one
mail for each SMTP connection cut off by a kill. The last lines are `RATIO name value`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine, service, sink
from bench.lab.children import run_module
from bench.lab.installation import Installation, installed
from bench.lab.service import Service

CONNECTIONS = 10
THINKING = 3  # milliseconds the server takes to say 250: most kills then leave mails in doubt
STALLED = 300.0
UNSETTLED = "SELECT count(*) FROM campaigns_message WHERE state IN ('queued', 'held', 'sending')"
OPEN = "SELECT count(*) FROM campaigns_submission WHERE state NOT IN ('done', 'cancelled')"
SENT = "SELECT count(*) FROM campaigns_message WHERE state = 'sent'"
PLANNED = "SELECT COALESCE(sum(planned), 0) FROM campaigns_submission"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server counted against what was asked for; `cut` connections were open in the service when it was hit."""

    planned: int
    recorded: int
    accepted: int
    people: int
    message_ids: int
    kills: int
    processes: int
    cut: int
    seconds: float

    @property
    def lost(self) -> int:
        return self.planned - self.people

    @property
    def duplicated(self) -> int:
        return self.accepted - self.people

    @property
    def line(self) -> str:
        same = "yes" if self.message_ids == self.people else f"NO ({self.message_ids - self.people} other)"
        return (
            f"lost={self.lost} duplicated={self.duplicated} kills={self.kills} processes={self.processes} "
            f"connections-cut={self.cut} same-message-id={same} planned={self.planned} recorded-sent={self.recorded} "
            f"seconds={self.seconds:.0f}"
        )


def crash(engine: str, *, messages: int, kills: int, redis_url: str, seed: int) -> Outcome:
    """Send one campaign under fire and count."""
    chance = random.Random(seed)
    with ExitStack() as stack:
        place = stack.enter_context(installed(engine, redis_url=redis_url))
        counted = place.folder / "counted"
        counted.touch()
        port = sink.free_port()
        words = [sys.executable, "-m", "bench.lab.counter", str(port), str(counted), str(THINKING)]
        stack.enter_context(sink.running(words, port=port))
        words = ["--contacts", str(messages), "--port", str(port), "--connections", str(CONNECTIONS)]
        run_module("bench.lab.scene", "fill", *words, env=place.environment)
        run_module("bench.lab.scene", "send", env=place.environment)
        began = time.monotonic()
        log = place.folder / "worker.log"
        worker = stack.enter_context(service.kept_running(["manage.py", "worker"], env=place.environment, log=log))
        processes = cut = 0
        for number in range(kills):
            _await_progress(counted, more=chance.randint(messages // kills // 4, messages // kills))
            # Not at a round number of mails: somewhere in the middle of everything.
            time.sleep(chance.random() * 0.05)
            # Those of all: the job cluster starts over as a whole when one of its processes dies.
            victims, cut = _choose(worker, chance), cut + service.connections_to(port, worker.members())
            service.kill(victims)
            processes += len(victims)
            print(f"  kill {number + 1}: {len(victims)} processes after {_count(counted):,} mails", flush=True)
        _await(lambda: not place.query(UNSETTLED) and not place.query(OPEN), "the campaign to end", seconds=STALLED)
        seconds = time.monotonic() - began
        return _tell(place, counted, kills=kills, processes=processes, cut=cut, seconds=seconds)


def _choose(worker: Service, chance: random.Random) -> list[int]:
    """One process below the main one mostly, else the main one, else all."""
    members = worker.members()
    draw = chance.random()
    if draw < 0.6 and len(members) > 1:
        return [chance.choice(members[1:])]
    return [members[0]] if draw < 0.8 else members


def _await_progress(counted: Path, *, more: int) -> None:
    """Return when so many more mails have arrived, or when none arrives any more."""
    goal, seen, until = _count(counted) + more, -1, time.monotonic() + 20
    while (now := _count(counted)) < goal and time.monotonic() < until:
        if now != seen:
            seen, until = now, time.monotonic() + 20
        time.sleep(0.005)


def _count(counted: Path) -> int:
    # A line has about 78 bytes; the kills need no exact number.
    return counted.stat().st_size // 78


def _await(happened: Callable[[], bool], what: str, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > until:
            sys.exit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.25)


def _tell(place: Installation, counted: Path, *, kills: int, processes: int, cut: int, seconds: float) -> Outcome:
    lines = counted.read_bytes().splitlines()
    return Outcome(
        planned=place.query(PLANNED),
        recorded=place.query(SENT),
        accepted=len(lines),
        people=len({line.split()[0] for line in lines}),
        message_ids=len(set(lines)),
        kills=kills,
        processes=processes,
        cut=cut,
        seconds=seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, help="Mails of the campaign (20000; quick: 3000).")
    parser.add_argument("--kills", type=int, help="How often (20; quick: 3).")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--seed", type=int, default=1, help="Chooses moments and victims.")
    parser.add_argument("--quick", action="store_true", help="A look, in a minute, on SQLite only.")
    given = parser.parse_args()
    postgresql, redis = installation.postgresql_version(), installation.redis_url()
    print(machine.describe(postgresql=postgresql))
    service.adopt_orphans()
    engines = given.engines or ["sqlite", *(["postgresql"] if postgresql and redis and not given.quick else [])]
    messages, kills = given.messages or (3000 if given.quick else 20_000), given.kills or (3 if given.quick else 20)
    ratios, sound = [], True
    for number in range(given.rounds):
        for engine in engines:
            url = redis if engine == "postgresql" else ""
            done = crash(engine, messages=messages, kills=kills, redis_url=url, seed=given.seed + number)
            print(f"{engine}{' + redis' if url else ''}: {done.line}", flush=True)
            ratios.append(
                f"RATIO crash-{engine}-duplicates-to-connections-cut {done.duplicated / max(done.cut, 1):.2f}"
            )
            ratios.append(f"RATIO crash-{engine}-lost {done.lost}")
            sound = sound and not done.lost and done.duplicated <= done.cut and done.message_ids == done.people
    print("\n" + "\n".join(ratios))
    if not sound:
        sys.exit("mail was lost, or doubled beyond one for each connection cut off, or doubled under another id")


if __name__ == "__main__":
    main()
