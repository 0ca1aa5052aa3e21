#!/usr/bin/env python
"""Mails per second from recipients in the database to accepted by smtp-sink and recorded, with peers in the same run.

Run with `python bench/dispatch.py [--quick]` after bench/setup; on SQLite, and on PostgreSQL when one answers at
DATABASE_URL or 127.0.0.1. A 12 KB mail (10 KB of HTML, 8 placeholders, 15 links) goes to every reader of a list through
`manage.py dispatch --drain` in one and two processes with ten connections each. All take turns at one sink.
The last lines are `RATIO name value`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import installation, machine, sink
from bench.lab.children import Child, run_module, run_together
from bench.lab.contest import Contest, Figure
from bench.lab.installation import Installation, installed
from bench.lab.peers.project import PeerProject, peer_project
from bench.lab.sink import Server

PROCESSES = 2
CONNECTIONS = 10
MILLISECONDS = 10.0
PLAIN_SHARE, DKIMPY_SHARE, SLOW_SHARE = 16, 80, 4  # slower ways send a part of the mails: a rate is a rate


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    messages: int
    rounds: int
    workers: tuple[int, ...]
    engines: tuple[str, ...]
    parts: frozenset[str]


def measure_ours(place: Installation, server: Server, *, messages: int, workers: int) -> Figure:
    """One campaign to every reader of the installation; stops when a single one is not recorded as sent."""
    planned = run_module("bench.lab.scene", "start", env=place.environment)
    busy = server.cpu
    effort = run_together([Child("bench.lab.sender", env=place.environment) for _ in range(workers)])
    sent = place.query(
        f"SELECT count(*) FROM campaigns_message WHERE state = 'sent' AND submission_id = {int(planned['submission'])}"
    )
    if sent != messages:
        sys.exit(f"{messages} were planned and {sent} are recorded as sent")
    return Figure(
        messages / effort.seconds,
        {
            "with-planning": messages / (effort.seconds + planned["seconds"]),
            "planned-rows/s": messages / planned["seconds"],
            "worker-µs": effort.cpu / messages * 1e6,
            "database-µs": sum(entry["database_cpu"] for entry in effort.told) / messages * 1e6,
            "sink-µs": (server.cpu - busy) / messages * 1e6,
            "machine-µs": effort.machine_cpu / messages * 1e6,
            "MiB": effort.peak_mib,
        },
    )


def measure_source(server: Server, *, messages: int, size: int, keep: bool) -> Figure:
    connections = PROCESSES * CONNECTIONS
    seconds = sink.smtp_source(server, messages=messages, size=size, connections=connections, keep=keep)
    return Figure(messages / seconds)


def measure_plain(peers: PeerProject, *, messages: int, connection: str = "kept", key: str = "") -> Figure:
    peers.fill(messages)
    words = [[str(share), str(PROCESSES), connection, *([key] if key else [])] for share in range(PROCESSES)]
    effort = run_together([peers.child("bench.lab.peers.plain", *words[share]) for share in range(PROCESSES)])
    return Figure(messages / effort.seconds, {"worker-µs": effort.cpu / messages * 1e6})


def measure_post_office(peers: PeerProject, *, messages: int) -> Figure:
    """Sending alone counts: writing its queue is left out, in its favour."""
    peers.fill(messages)
    effort = run_together([peers.child("bench.lab.peers.office", str(PROCESSES))])
    queue = float(effort.told[0]["queue_seconds"])
    return Figure(messages / (effort.seconds - queue), {"with-queueing": messages / effort.seconds})


def measure_smtplib(server: Server, *, messages: int, size: int) -> Figure:
    words = [str(server.port), str(CONNECTIONS), str(messages // PROCESSES), str(size)]
    children = [Child("bench.lab.peers.kept", *words, env=sink.postfix_environment()) for _ in range(PROCESSES)]
    return Figure(messages / run_together(children).seconds)


def measure_signing(*, count: int, size: int) -> Figure:
    """Signatures a second on the cores the workers use: with RSA nobody can send faster."""
    words = ["rsa", str(count // PROCESSES), str(size)]
    children = [Child("bench.lab.signing", *words, env=sink.postfix_environment()) for _ in range(PROCESSES)]
    return Figure(count / run_together(children).seconds)


def prepare(stack: ExitStack, engine: str, server: Server, *, contacts: int, dkim: str = "") -> Installation:
    """An installation with so many readers that sends to the server."""
    place = stack.enter_context(installed(engine))
    words = ["--contacts", str(contacts), "--port", str(server.port), "--connections", str(CONNECTIONS)]
    run_module("bench.lab.scene", "fill", *words, "--dkim", dkim, env=place.environment)
    return place


def enter(contest: Contest, stack: ExitStack, plan: Plan) -> None:
    """Prepare everybody who takes part."""
    server = stack.enter_context(sink.smtp_sink())
    places = {engine: prepare(stack, engine, server, contacts=plan.messages) for engine in plan.engines}
    size = int(run_module("bench.lab.scene", "size", env=next(iter(places.values())).environment)["size"])
    print(f"a mail has {size} bytes\n")
    ways = contest.ways
    if "source" in plan.parts:
        for name, keep in (("smtp-source", False), ("smtp-source kept", True)):
            ways[name] = partial(measure_source, server, messages=plan.messages, size=size, keep=keep)
    for engine, place in places.items():
        for workers in plan.workers:
            run = partial(measure_ours, place, server, messages=plan.messages, workers=workers)
            ways[f"ours {engine} x{workers}"] = run
    if "dkim" in plan.parts:
        enter_signed(contest, stack, plan, server, size=size)
    if "peers" in plan.parts:
        enter_peers(contest, stack, plan, server)
    if "latency" in plan.parts:
        enter_slow(contest, stack, plan, server, size=size)


def enter_signed(contest: Contest, stack: ExitStack, plan: Plan, server: Server, *, size: int) -> None:
    contest.ways["rsa signatures alone"] = partial(measure_signing, count=plan.messages // 4, size=size)
    for engine in plan.engines:
        place = prepare(stack, engine, server, contacts=plan.messages // 2, dkim="rsa")
        run = partial(measure_ours, place, server, messages=plan.messages // 2, workers=PROCESSES)
        contest.ways[f"ours {engine} x{PROCESSES} rsa"] = run


def enter_peers(contest: Contest, stack: ExitStack, plan: Plan, server: Server) -> None:
    for engine in plan.engines:
        peers = stack.enter_context(peer_project(engine, port=server.port))
        some = max(plan.messages // PLAIN_SHARE, 100)
        contest.ways[f"plain django {engine} x2"] = partial(measure_plain, peers, messages=some, connection="each")
        contest.ways[f"plain django {engine} x2 kept"] = partial(measure_plain, peers, messages=some)
        if peers.has("post_office"):
            contest.ways[f"post_office {engine} x2"] = partial(measure_post_office, peers, messages=some)
        if peers.has("dkim") and "dkim" in plan.parts:
            few = max(plan.messages // DKIMPY_SHARE, 100)
            key = str(peers.make_key())
            contest.ways[f"plain django {engine} x2 kept rsa"] = partial(measure_plain, peers, messages=few, key=key)


def enter_slow(contest: Contest, stack: ExitStack, plan: Plan, server: Server, *, size: int) -> None:
    link = stack.enter_context(sink.slow_link(server.port, milliseconds=MILLISECONDS))
    some, few = plan.messages // SLOW_SHARE, max(plan.messages // PLAIN_SHARE, 200)
    contest.ways["smtplib kept, 10 ms"] = partial(measure_smtplib, link, messages=few, size=size)
    for engine in plan.engines:
        place = prepare(stack, engine, link, contacts=some)
        run = partial(measure_ours, place, server, messages=some, workers=PROCESSES)
        contest.ways[f"ours {engine} x{PROCESSES}, 10 ms"] = run


def ratios(contest: Contest, engines: tuple[str, ...]) -> list[str]:
    """Ours with planning, against each peer without anything it needs before it can send."""
    lines = []
    for engine in engines:
        ours, signed = f"ours {engine} x{PROCESSES}", f"ours {engine} x{PROCESSES} rsa"
        asked = (
            (f"{engine}-to-smtp-source", ours, "smtp-source"),
            (f"{engine}-to-smtp-source-kept", ours, "smtp-source kept"),
            (f"{engine}-to-plain-django", ours, f"plain django {engine} x2"),
            (f"{engine}-to-plain-django-kept", ours, f"plain django {engine} x2 kept"),
            (f"{engine}-to-post-office", ours, f"post_office {engine} x2"),
            (f"{engine}-rsa-to-bound", signed, "rsa signatures alone"),
            (f"{engine}-rsa-to-plain-django-kept-rsa", signed, f"plain django {engine} x2 kept rsa"),
            (f"{engine}-10ms-to-smtplib", f"{ours}, 10 ms", "smtplib kept, 10 ms"),
        )
        lines += [contest.ratio(name, mine, peer, of="with-planning") for name, mine, peer in asked]
    return [line for line in lines if line]


def profile(plan: Plan, file: str) -> None:
    """One process under cProfile, on the first engine; its figures are not comparable with anything."""
    with sink.smtp_sink() as server, ExitStack() as stack:
        place = prepare(stack, plan.engines[0], server, contacts=plan.messages)
        run_module("bench.lab.scene", "start", env=place.environment)
        run_together([Child("bench.lab.sender", str(Path(file).absolute()), env=place.environment)])
    words = f"import pstats; pstats.Stats({file!r}).sort_stats('tottime').print_stats(40)"
    subprocess.run([sys.executable, "-c", words], check=True)


def read_plan(given: argparse.Namespace, *, postgresql: str) -> Plan:
    engines = given.engines or ["sqlite", *(["postgresql"] if postgresql and not given.quick else [])]
    parts = frozenset(given.parts or ["source", "peers", "dkim", "latency"])
    if given.quick:
        return Plan(given.messages or 4000, given.rounds or 1, (PROCESSES,), tuple(engines), parts)
    return Plan(given.messages or 40_000, given.rounds or 3, tuple(given.workers), tuple(engines), parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="A look, in a minute: small numbers, one round, SQLite.")
    parser.add_argument("--messages", type=int, help="Mails of one run (40000; quick: 4000).")
    parser.add_argument("--rounds", type=int, help="Turns each way takes (3; quick: 1).")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, PROCESSES], help="Worker processes to try (1 2).")
    parser.add_argument("--engines", nargs="+", choices=["sqlite", "postgresql"])
    parser.add_argument("--parts", nargs="*", choices=["source", "peers", "dkim", "latency"], help="All unless named.")
    parser.add_argument("--profile", metavar="FILE", help="Profile one worker process into FILE instead.")
    parser.add_argument("--patience", type=int, default=0, help="Times a turn is taken again when others disturbed it.")
    given = parser.parse_args()
    postgresql = installation.postgresql_version()
    print(machine.describe(postgresql=postgresql))
    plan = read_plan(given, postgresql=postgresql)
    if given.profile:
        profile(plan, given.profile)
        return
    contest = Contest("mails/s")
    with ExitStack() as stack:
        enter(contest, stack, plan)
        contest.run(plan.rounds, patience=given.patience)
    contest.show_medians()
    print("\n" + "\n".join(ratios(contest, plan.engines)))


if __name__ == "__main__":
    main()
