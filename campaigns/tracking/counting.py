"""Figures of opens and clicks, kept beside the events in the same transaction: exact differences, never a recount.

What one mail's hits add to the figures of its submission is a pure function of those hits. Whatever changes them – a
new hit, a verdict that changes – adds the difference between after and before, so figures and events cannot part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from django.db import connection

from campaigns.models import Split, Verdict
from campaigns.tracking.verdicts import Hit

# (submission, split, part, kind, verdict), in the order in which rows are locked. Several are made for each hit: plain
# tuples and plain numbers take a fifth of the time that names for them would.
Cell = tuple[int, str, str, str, int]
Part = tuple[str, str, str]
_UNKNOWN, _HUMAN, _MACHINE = (int(verdict) for verdict in (Verdict.UNKNOWN, Verdict.HUMAN, Verdict.MACHINE))
_VERDICTS = {None: _UNKNOWN, False: _HUMAN, True: _MACHINE}
# A person who opened is a reader, whatever their mailbox's machines did besides.
_BEST_OF = {
    (one, other): _HUMAN if _HUMAN in (one, other) else min(one, other)
    for one in _VERDICTS.values()
    for other in _VERDICTS.values()
}


class Figures:
    """What is added to the figures of submissions: hits and people by cell, gathered over many mails."""

    def __init__(self) -> None:
        self._hits: dict[Cell, int] = defaultdict(int)
        self._people: dict[Cell, int] = defaultdict(int)

    def change(self, submission_id: int, *, before: Sequence[Hit], after: Sequence[Hit]) -> None:
        """The hits of one mail are now these; `before` is what of them was in the figures, as it was."""
        # Most of a mail's hits are what they were, and those came first.
        same = 0
        for one, other in zip(before, after, strict=False):
            if one is not other:
                break
            same += 1
        readers = _add_readers({}, after[:same])
        now = _add_readers(dict(readers), self._count(submission_id, after[same:], 1))
        then = _add_readers(readers, self._count(submission_id, before[same:], -1))
        people = self._people
        for (split, part, kind), verdict in now.items():
            was = then.get((split, part, kind))
            if was != verdict:
                people[submission_id, split, part, kind, verdict] += 1
                if was is not None:
                    people[submission_id, split, part, kind, was] -= 1

    def add_nameless(self, submission_id: int, hit: Hit) -> None:
        """A hit more of which nobody knows whose it is."""
        self._count(submission_id, [hit], 1)
        self._hits[submission_id, Split.NAMELESS.value, "", hit.kind, _VERDICTS[hit.is_machine]] += 1

    def _count(self, submission_id: int, hits: Sequence[Hit], sign: int) -> Sequence[Hit]:
        for hit in hits:
            verdict = _VERDICTS[hit.is_machine]
            for split, part, kind in _parts(hit):
                self._hits[submission_id, split, part, kind, verdict] += sign
        return hits

    def apply(self) -> None:
        """Add it to what is stored. Needs a transaction."""
        hits, people = self._hits, self._people
        # In one order, so that two processes that lock the same rows lock them alike.
        cells = sorted(cell for cell in hits.keys() | people.keys() if hits.get(cell) or people.get(cell))
        for first in range(0, len(cells), _AT_ONCE):
            some = cells[first : first + _AT_ONCE]
            values = [value for cell in some for value in (*cell, hits.get(cell, 0), people.get(cell, 0))]
            with connection.cursor() as cursor:
                cursor.execute(_ADD.format(rows=", ".join([_ROW] * len(some))), values)


def _add_readers(found: dict[Part, int], hits: Iterable[Hit]) -> dict[Part, int]:
    """The verdict under which a mail's reader counts in each part, with these hits too."""
    for hit in hits:
        verdict = _VERDICTS[hit.is_machine]
        for part in _parts(hit):
            was = found.get(part)
            found[part] = verdict if was is None else _BEST_OF[was, verdict]
    return found


def _parts(hit: Hit) -> Sequence[Part]:
    return _parts_of(int(hit.at.timestamp()) // 3600, hit.kind, hit.link, hit.device, hit.system)


@lru_cache(maxsize=4096)
def _parts_of(hour: int, kind: str, link: int | None, device: int | None, system: int | None) -> Sequence[Part]:
    parts = [(Split.TOTAL.value, ""), (Split.HOUR.value, f"{datetime.fromtimestamp(hour * 3600, UTC):%Y-%m-%dT%H}")]
    if link is not None:
        parts.append((Split.LINK.value, str(link)))
    if device is not None and system is not None:
        parts.append((Split.DEVICE.value, f"{device}.{system}"))
    return tuple((split, part, str(kind)) for split, part in parts)


# One upsert for both databases: adding in the database loses nothing when several processes write.
_ROW = "(%s, %s, %s, %s, %s, %s, %s)"
_ADD = """
INSERT INTO campaigns_hitcount (submission_id, split, part, kind, verdict, hits, people)
VALUES {rows}
ON CONFLICT (submission_id, split, part, kind, verdict) DO UPDATE SET
    hits = campaigns_hitcount.hits + excluded.hits,
    people = campaigns_hitcount.people + excluded.people
"""
_AT_ONCE = 500
