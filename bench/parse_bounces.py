#!/usr/bin/env python
"""Milliseconds to read a bounce: who, why, for good or not; against the standard library only parsing the same mails.

Run with `python bench/parse_bounces.py [folder]`; without a folder it reads the notices of the tests.
"""

from __future__ import annotations

import email
import email.policy
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from campaigns.inbound.reports import read_report  # noqa: E402

ROUNDS = 5


def measure(read: Callable[[bytes], object], mails: list[bytes]) -> list[float]:
    """Milliseconds for each mail, the median of some rounds."""
    taken: list[list[float]] = [[] for _ in mails]
    for _ in range(ROUNDS):
        for number, raw in enumerate(mails):
            start = time.perf_counter()
            read(raw)
            taken[number].append((time.perf_counter() - start) * 1000)
    return [statistics.median(times) for times in taken]


def parse_only(raw: bytes) -> object:
    """What every peer does first: the parts of the mail, and their texts."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    return [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "data" / "notices"
    mails = [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    ours, peer = measure(read_report, mails), measure(parse_only, mails)
    for name, times in (("read as a report", ours), ("email package", peer)):
        ordered = sorted(times)
        print(
            f"{name:18} median {statistics.median(ordered):6.2f} ms, slowest {ordered[-1]:6.2f} ms, {len(mails)} mails"
        )
    middle = statistics.median(ours)
    print(f"PARSE_BOUNCES median_ms={middle:.2f} ratio_to_email_package={middle / statistics.median(peer):.1f}")


if __name__ == "__main__":
    main()
