"""Who had a hand in what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from compliance.models import Approval, Contribution

Thing = tuple[str, str]


def note_contribution(thing: Thing, *, person_id: int, part: str, now: datetime) -> None:
    """Remember that somebody edited this part of something; belongs into the transaction of the edit."""
    kind, public_id = thing
    Contribution.objects.create(thing_kind=kind, thing_id=public_id, person_id=person_id, part=part, at=now)


def find_contributors(things: Iterable[Thing], *, since: datetime | None) -> dict[int, frozenset[str]]:
    """person → the parts of these things they had a hand in since that moment (None: ever)."""
    wanted = Q(pk__in=[])
    for kind, public_id in things:
        wanted |= Q(thing_kind=kind, thing_id=public_id)
    rows = Contribution.objects.filter(wanted)
    if since is not None:
        rows = rows.filter(at__gt=since)
    parts: defaultdict[int, set[str]] = defaultdict(set)
    for person, part in rows.values_list("person_id", "part").distinct():
        parts[person].add(part)
    return {person: frozenset(found) for person, found in parts.items()}


def contributors_of(approval: Approval) -> dict[int, frozenset[str]]:
    """Who had a hand in what this approval is about since the campaign was last approved."""
    earlier = Approval.objects.filter(campaign=approval.campaign_id, approved_at__isnull=False, pk__lt=approval.pk)
    last = earlier.order_by("-approved_at").values_list("approved_at", flat=True).first()
    things = [(str(kind), str(public_id)) for kind, public_id in approval.things]
    return find_contributors(things, since=last)
