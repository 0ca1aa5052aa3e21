"""Inside an installation: python -m bench.lab.reports fill | look …; the last line printed is JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from campaigns.content.links import LinkKey  # noqa: E402
from campaigns.models import Account, Campaign, CampaignState, Membership, Message, Submission  # noqa: E402
from campaigns.outbox import counts  # noqa: E402
from campaigns.outbox.link_book import register_links  # noqa: E402
from campaigns.tracking import breakdown  # noqa: E402

LINKS = 15
# Of a hundred mails two came back and one could not be made; of a thousand readers five left and one complained.
_SENT = """
UPDATE campaigns_message SET
    state = CASE WHEN id %% 100 < 2 THEN 'bounced' WHEN id %% 100 = 2 THEN 'failed' ELSE 'sent' END,
    error_code = CASE WHEN id %% 100 < 2 THEN 'smtp.550-5.1.1' WHEN id %% 100 = 2 THEN 'content.value-missing' ELSE '' END,
    sent_at = {moment}, done_at = {moment}
"""
_EVENT = """
INSERT INTO campaigns_event (message_id, kind, at, code, is_machine, link, device, system)
SELECT id, '{kind}', {moment}, '', {hit} FROM campaigns_message WHERE {which}
"""
_NO_HIT = "NULL, NULL, NULL, NULL"
_EVENTS = (
    ("sent", _NO_HIT, "state = 'sent'"),
    ("opened", "id %% 3 = 0, NULL, 1 + id %% 3, 1 + id %% 5", "id %% 10 < 9"),
    ("opened", "id %% 2 = 0, NULL, 1 + id %% 3, 1 + id %% 5", "id %% 10 < 7"),
    ("clicked", "id %% 4 = 0, 1 + id %% 15, 1 + id %% 3, 1 + id %% 5", "id %% 10 < 4"),
    ("unsubscribed", _NO_HIT, "id %% 1000 < 5"),
    ("complained", _NO_HIT, "id %% 1000 = 7"),
)
# Spread over two days.
_MOMENT = {
    "postgresql": "CAST(%(since)s AS timestamptz) + (id %% 172800) * interval '1 second'",
    "sqlite": "datetime(%(since)s, '+' || (id %% 172800) || ' seconds')",
}
# As the door would have counted them.
_COUNTED = """
INSERT INTO campaigns_hitcount (submission_id, split, part, kind, verdict, hits, people)
SELECT %(submission)s, '{split}', {part}, kind, CASE WHEN is_machine THEN 2 ELSE 1 END, count(*),
    count(DISTINCT message_id)
FROM campaigns_event WHERE kind IN ('opened', 'clicked') AND {part} IS NOT NULL GROUP BY 3, 4, 5
"""
_HOUR = {
    "postgresql": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')",
    "sqlite": "strftime('%%Y-%%m-%%dT%%H', at)",
}


def fill() -> dict[str, Any]:
    """The campaign that was planned is sent, read and counted."""
    submission = Submission.objects.get()
    since = str(timezone.now() - timedelta(days=3))[:19]
    moment = _MOMENT[connection.vendor]
    register_links(submission.pk, [LinkKey(f"https://shop.example.com/{n}?a=1#x", 0) for n in range(LINKS)])
    parts = {"total": "''", "hour": _HOUR[connection.vendor], "link": "CAST(link AS varchar(20))",
             "device": "device || '.' || system"}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SENT.format(moment=moment), {"since": since})
        for kind, hit, which in _EVENTS:
            cursor.execute(_EVENT.format(kind=kind, moment=moment, hit=hit, which=which), {"since": since})
        for split, part in parts.items():
            cursor.execute(_COUNTED.format(split=split, part=part), {"submission": submission.pk})
        cursor.execute("ANALYZE")
    Submission.objects.update(state="done", finished_at=timezone.now())
    Campaign.objects.update(state=CampaignState.SENT)
    counts.recount([submission.pk])
    began = time.perf_counter()
    breakdown.make_breakdown(submission.pk, now=timezone.now())
    took = time.perf_counter() - began
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM campaigns_event")
        (events,) = cursor.fetchone()
    return {"events": events, "messages": Message.objects.count(), "breakdown_seconds": took}


def look(rounds: int) -> dict[str, Any]:
    """The 95th percentile of each page in milliseconds, for somebody who is signed in."""
    settings.ALLOWED_HOSTS = ["*"]
    user = get_user_model().objects.create_user("reader", is_staff=True)
    Membership.objects.create(user=user, account=Account.objects.get(), role="viewer")
    client = Client()
    client.force_login(user)
    campaign, message = Campaign.objects.get(), Message.objects.filter(state="sent").order_by("pk")[0]
    base = f"/admin/campaigns/campaign/{campaign.public_id}"
    pages = {
        "campaign": f"{base}/",
        "progress": f"{base}/progress/",
        "statistics": f"{base}/statistics/",
        "heat-map": f"{base}/statistics/mail/",
        "readers": f"{base}/readers/",
        "readers-opened": f"{base}/readers/?show=opened",
        "readers-clicked": f"{base}/readers/?show=clicked",
        "readers-left": f"{base}/readers/?show=left",
        "readers-bounced": f"{base}/readers/?show=bounced",
        "reader": f"{base}/readers/{message.public_id}/",
        "comparison": f"/admin/campaigns/campaign/compare/?c={campaign.public_id}",
        "list": "/admin/campaigns/campaign/",
    }
    return {name: _measure(client, url, rounds) for name, url in pages.items()}


def _measure(client: Client, url: str, rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        answer = client.get(url)
        answer.getvalue()
        times.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{url}: {answer.status_code}")
    # The first one also loads templates, which a server does once.
    return statistics.quantiles(times[1:], n=20)[18]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("act", choices=["fill", "look"])
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    print(json.dumps(fill() if given.act == "fill" else look(given.rounds)))


if __name__ == "__main__":
    main()
