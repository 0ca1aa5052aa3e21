"""The HIPAA lane against the ordinary one: python bench/hipaa_lane.py [--quick].

The same 12 KB mail to as many people by the same workers. The ordinary lane hands it over to readers of a list, over TLS as to
any relay, and in the clear. The HIPAA lane opens each recipient's sealed values, proves each message to be what was approved, looks every
second whether anything holds it, hands over by verified TLS only, and keeps a record of each disclosure with its TLS.
Sealing and approving are done before the clock starts, as planning is for the ordinary lane.

The last lines are `RATIO name value`; the last of them, both lanes to the same relay, is to be 0.4 or more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import trustme

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.lab import machine, sink
from bench.lab.children import Child, run_module, run_together
from bench.lab.contest import Contest, Figure
from bench.lab.installation import Installation, installed
from bench.lab.sink import Server

CONNECTIONS = 10
LEAST = 0.4


@contextmanager
def tls_sink() -> Iterator[tuple[Server, str]]:
    """A sink over TLS, and the file with the authority that signed its certificate."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, authority = Path(name), trustme.CA()
        leaf = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
        for blob in leaf.cert_chain_pems:
            blob.write_to_path(str(folder / "cert.pem"), append=True)
        port = sink.free_port()
        words = [
            sys.executable,
            "-m",
            "bench.lab.tls_sink",
            str(port),
            str(folder / "cert.pem"),
            str(folder / "key.pem"),
        ]
        with sink.running(words, port=port) as server:
            yield server, str(folder / "ca.pem")


def drain(place: Installation, submission: int, *, messages: int, workers: int) -> Figure:
    """Hand over what was begun; stops when a single message is not recorded as sent."""
    effort = run_together([Child("bench.lab.sender", env=place.environment) for _ in range(workers)])
    sent = place.query(
        f"SELECT count(*) FROM campaigns_message WHERE state = 'sent' AND submission_id = {int(submission)}"
    )
    if sent != messages:
        sys.exit(f"{messages} were to leave and {sent} are recorded as sent")
    return Figure(messages / effort.seconds, {"worker-µs": effort.cpu / messages * 1e6, "MiB": effort.peak_mib})


def measure_ordinary(place: Installation, *, messages: int, workers: int) -> Figure:
    begun = run_module("bench.lab.scene", "start", env=place.environment)
    return drain(place, begun["submission"], messages=messages, workers=workers)


def measure_protected(place: Installation, *, messages: int, workers: int) -> Figure:
    begun = run_module("bench.lab.clinic", "start", "--messages", str(messages), env=place.environment)
    figure = drain(place, begun["submission"], messages=messages, workers=workers)
    kept = place.query("SELECT count(*) FROM compliance_disclosure WHERE tls_version = 'TLSv1.3'")
    if kept < messages:
        sys.exit(f"{messages} left and {kept} are accounted for with their TLS")
    return figure


def enter(contest: Contest, stack: ExitStack, *, engine: str, messages: int, workers: int) -> None:
    plain = stack.enter_context(sink.smtp_sink())
    server, authority = stack.enter_context(tls_sink())
    for name, port, tls in (("ordinary, in the clear", plain.port, "none"), ("ordinary", server.port, "implicit")):
        place = stack.enter_context(installed(engine))
        place.environment["SSL_CERT_FILE"] = authority
        words = ["--contacts", str(messages), "--port", str(port), "--connections", str(CONNECTIONS), "--tls", tls]
        run_module("bench.lab.scene", "fill", *words, env=place.environment)
        contest.ways[name] = partial(measure_ordinary, place, messages=messages, workers=workers)
    place = stack.enter_context(installed(engine))
    place.environment["SSL_CERT_FILE"] = authority
    words = ["--port", str(server.port), "--connections", str(CONNECTIONS)]
    run_module("bench.lab.clinic", "fill", *words, env=place.environment)
    contest.ways["HIPAA"] = partial(measure_protected, place, messages=messages, workers=workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="A look: small numbers, one round.")
    parser.add_argument("--messages", type=int, help="Mails of one run (20000; quick: 3000).")
    parser.add_argument("--rounds", type=int, help="Turns each way takes (3; quick: 1).")
    parser.add_argument("--workers", type=int, default=1, help="Worker processes (1: the sink needs the other core).")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")
    given = parser.parse_args()
    messages, rounds = given.messages or (3000 if given.quick else 20_000), given.rounds or (1 if given.quick else 3)
    print(machine.describe(postgresql=""))
    contest = Contest("mails/s")
    with ExitStack() as stack:
        enter(contest, stack, engine=given.engine, messages=messages, workers=given.workers)
        contest.run(rounds)
    contest.show_medians()
    lines = [
        contest.ratio("hipaa-to-ordinary-in-the-clear", "HIPAA", "ordinary, in the clear"),
        contest.ratio("hipaa-to-ordinary", "HIPAA", "ordinary"),
    ]
    print("\n" + "\n".join(lines))
    if float(lines[-1].rpartition(" ")[2]) < LEAST:
        sys.exit(f"The HIPAA lane is slower than {LEAST} of the ordinary one.")


if __name__ == "__main__":
    main()
