"""A worker that does nothing but take: `python -m tests.take_tokens <submission> <seconds>`.

Says `ready`, begins when it is told anything, and prints as JSON how many messages it was granted, how many may go to each
recipient domain, and `began` and `ended` on the clock of the machine.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter

import django


def take_all(submission_id: int, *, seconds: float) -> dict[str, float]:
    # Only now: the apps must be loaded before their models.
    from django.utils import timezone  # noqa: PLC0415

    from campaigns.models import Submission  # noqa: PLC0415
    from campaigns.outbox.throttle import open_limits  # noqa: PLC0415

    submission = Submission.objects.select_related("account", "transport", "sender__domain").get(pk=submission_id)
    limits = open_limits(submission)
    taken: Counter[str] = Counter(granted=0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        want = random.randrange(1, 60)  # noqa: S311
        grant = limits.take(want, now=timezone.now())
        unused = grant.count // 3
        limits.give_back(unused, now=timezone.now())
        taken["granted"] += grant.count - unused
        domains = random.choices(["a.example", "b.example", "free.example"], k=6)  # noqa: S311
        moments = limits.later(domains, now=timezone.now())
        taken.update(domain for domain, at in zip(domains, moments, strict=True) if at is None)
        time.sleep(0.005)
    return {**taken, "began": began, "ended": time.monotonic()}


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(take_all(int(sys.argv[1]), seconds=float(sys.argv[2]))))
