#!/usr/bin/env python
"""Sealed fields per second on one core, against the same AES-256-GCM calls without a vault around them.

Run with `python bench/vault.py [fields]`. Each field has 2 KB and a context of its own: account, message, field and
recipient. `--quick` is a look in some seconds. The last lines are the figure and the ratio.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["ENV_FILE"] = os.devnull
os.environ.pop("DATABASE_URL", None)
_FOLDER = tempfile.TemporaryDirectory(prefix="sealpost-bench-")
os.environ["VAR_DIR"] = _FOLDER.name
django.setup()

from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from django.core.management import call_command  # noqa: E402

from bench.lab import machine  # noqa: E402
from compliance import vault  # noqa: E402

SIZE = 2048
ROUNDS = 5
TARGET = 50_000


def make_contexts(count: int) -> list[dict[str, str]]:
    account = str(uuid.uuid4())
    return [
        {"account": account, "thing": "message", "id": str(uuid.uuid4()), "field": "placeholders", "recipient": f"{n:043d}"}
        for n in range(count)
    ]  # fmt: skip


def measure(work: Callable[[], object], count: int) -> float:
    """Fields a second."""
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)


def main() -> None:
    given = [word for word in sys.argv[1:] if word.isdigit()]
    count = int(given[0]) if given else 2_000 if "--quick" in sys.argv else 10_000
    call_command("migrate", verbosity=0)
    print(machine.describe())
    contexts = make_contexts(count)
    plaintexts = [os.urandom(SIZE) for _ in range(count)]
    sealed = vault.seal_many(plaintexts, contexts=contexts)
    bare = AESGCM(os.urandom(32))
    works: dict[str, Callable[[], object]] = {
        "seal_many": lambda: vault.seal_many(plaintexts, contexts=contexts),
        "unseal_many": lambda: vault.unseal_many(sealed, contexts=contexts),
        "seal": lambda: [vault.seal(text, **place) for text, place in zip(plaintexts, contexts, strict=True)],
        "unseal": lambda: [vault.unseal(value, **place) for value, place in zip(sealed, contexts, strict=True)],
        "bare AES-GCM": lambda: [bare.encrypt(os.urandom(12), text, b"") for text in plaintexts],
    }
    # Rounds take turns, so a busy moment of the machine hits all of them.
    seen: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            seen[name].append(measure(work, count))
    for name, rates in seen.items():
        print(f"{name:14} {statistics.median(rates):10,.0f} fields/s (best {max(rates):,.0f})")
    ours, floor = statistics.median(seen["seal_many"]), statistics.median(seen["bare AES-GCM"])
    print(f"VAULT fields_per_second={ours:.0f} target={TARGET}")
    print(f"RATIO vault-to-bare-aes {ours / floor:.2f}")


if __name__ == "__main__":
    main()
