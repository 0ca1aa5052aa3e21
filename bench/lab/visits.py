"""Inside an installation: python -m bench.lab.visits prepare | ingest …; the last line printed is JSON."""

from __future__ import annotations

import argparse
import json
import random
import time
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from bench.lab import machine  # noqa: E402
from campaigns import tokens  # noqa: E402
from campaigns.content.links import LinkKey  # noqa: E402
from campaigns.models import Account, EventKind, HitCount, Message, MessageState, Submission  # noqa: E402
from campaigns.outbox.link_book import register_links  # noqa: E402
from campaigns.tracking.buffer import BUFFER  # noqa: E402
from campaigns.tracking.hits import RawHit  # noqa: E402

LINKS = 15
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
)


def prepare(paths: int) -> dict[str, Any]:
    """The campaign as if it had left an hour ago to readers who may be known; addresses of so many mails."""
    submission = Submission.objects.get()
    Account.objects.update(tracking=2, tracking_needs_consent=False)
    Message.objects.update(state=MessageState.SENT, sent_at=timezone.now() - timedelta(hours=1), done_at=timezone.now())
    register_links(submission.pk, [LinkKey(f"https://shop.example.com/{n}?a=1#x", 0) for n in range(LINKS)])
    some = Message.objects.filter(submission=submission).values_list("public_id", flat=True)[:paths]
    made = [tokens.visit_token(tokens.VisitClaim(submission.pk, public_id)) for public_id in some]
    file = settings.VAR_DIR / "tokens"
    file.write_text("\n".join(made))
    return {"tokens": str(file)}


def ingest(events: int) -> dict[str, Any]:
    """So many hits through the buffer, as fast as it takes them; rate and peak memory on the way."""
    submission = Submission.objects.get()
    ids = list(Message.objects.filter(submission=submission).values_list("public_id", flat=True))
    chance = random.Random(7)
    chance.shuffle(ids)
    began = time.perf_counter()
    early = 0
    for number, public_id in enumerate(islice(cycle(ids), events)):
        # The door would drop what waits beyond the bound; here the source waits instead.
        while len(BUFFER._waiting) > 5_000:  # noqa: SLF001
            time.sleep(0.002)
        kind = EventKind.CLICKED if number % 5 == 0 else EventKind.OPENED
        link = chance.randrange(1, LINKS + 1) if kind == EventKind.CLICKED else None
        BUFFER.add(RawHit(timezone.now(), kind, submission.pk, public_id, link, AGENTS[number % len(AGENTS)]))
        if number == events // 10:
            early = machine.peak_memory()
    BUFFER.close()
    seconds = time.perf_counter() - began
    told = HitCount.objects.filter(split="total").values_list("hits", flat=True)
    return {"seconds": seconds, "early": early, "peak": machine.peak_memory(), "counted": sum(told)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["prepare", "ingest"])
    parser.add_argument("--count", type=int, required=True)
    given = parser.parse_args()
    print(json.dumps({"prepare": prepare, "ingest": ingest}[given.act](given.count)))


if __name__ == "__main__":
    main()
