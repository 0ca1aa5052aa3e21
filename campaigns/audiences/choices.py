"""What readers allow to be known of their opens and clicks; kept by blind index, so it outlives the contact (LA-04)."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from django.db import connection

from campaigns.models import TrackingChoice, TrackingLevel

# One array: hundreds of parameters cost more than the question.
_READ = """
SELECT address_key, level FROM campaigns_trackingchoice WHERE account_id = %s AND address_key {among}
"""
_AMONG = {"postgresql": "= ANY(%s)", "sqlite": "IN (SELECT value FROM json_each(%s))"}


def read_choices(account_id: int, *, keys: Collection[str]) -> dict[str, int]:
    """The level each of these readers chose, by address key; who was never asked is missing."""
    array = list(keys) if connection.vendor == "postgresql" else json.dumps(list(keys))
    with connection.cursor() as cursor:
        cursor.execute(_READ.format(among=_AMONG[connection.vendor]), [account_id, array])
        return dict(cursor.fetchall())


def choose_tracking(account_id: int, *, address_key: str, level: TrackingLevel, now: datetime, source: str) -> None:
    """Keep what a reader chose, and where; it holds at once, for mail that has left already too."""
    TrackingChoice.objects.update_or_create(
        account_id=account_id,
        address_key=address_key,
        defaults={"level": level, "changed_at": now, "source": source[:200]},
    )


def forget_choice(account_id: int, *, address_key: str) -> None:
    """As if the reader had never been asked."""
    TrackingChoice.objects.filter(account_id=account_id, address_key=address_key).delete()
