"""What deleting rows takes with it, counted by the database."""

from __future__ import annotations

from typing import Any

from django.db.models import CASCADE, PROTECT, RESTRICT, QuerySet

from campaigns.admin.words import word


def collect_consequences(rows: QuerySet[Any]) -> tuple[dict[str, int], list[str]]:
    """(how many related rows go too, by their name; what forbids it), with one COUNT per relation."""
    counts: dict[str, int] = {}
    protected: dict[str, int] = {}
    _follow(rows, counts, protected)
    return counts, [f"{count:,} {name}" for name, count in protected.items()]


def _follow(rows: QuerySet[Any], counts: dict[str, int], protected: dict[str, int]) -> None:
    for relation in rows.model._meta.related_objects:
        action = getattr(relation, "on_delete", None)
        if action not in {CASCADE, PROTECT, RESTRICT}:
            continue
        related: QuerySet[Any] = relation.related_model._base_manager.filter(
            **{f"{relation.field.name}__in": rows.values("pk")}
        )
        count = related.count()
        if not count:
            continue
        found = counts if action is CASCADE else protected
        name = word(related.model._meta, count=count)
        found[name] = max(found.get(name, 0), count)
        if action is CASCADE:
            _follow(related, counts, protected)
