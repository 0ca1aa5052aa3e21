"""Verifying the audit trail: every digest, every code, every link, both ends, and every checkpoint."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from compliance.audit import chain, checkpoints
from compliance.models import AuditChain, AuditCheckpoint, AuditEvent

_AT_ONCE = 2_000
_MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not fit: `code` says what, at which number of the chain."""

    owner: str
    seq: int
    code: str


@dataclass(slots=True)
class Report:
    """What was looked at and what is wrong with it; sound means nothing is."""

    events: int = 0
    chains: int = 0
    checkpoints: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class _Place:
    """Where the walk along a chain is."""

    seq: int = 0
    digest: str = ""


def verify(*, owner: str | None = None, published: Iterable[tuple[dict[str, Any], str]] = ()) -> Report:
    """Walk one chain, or all of them, and compare them with checkpoints that were kept elsewhere.

    Stops telling after a hundred problems.
    """
    report = Report()
    for name in _owners(owner):
        report.chains += 1
        for problem in _walk(name, report):
            _tell(report, problem)
    for content, signature in published:
        if owner is None or content.get("owner") == owner:
            report.checkpoints += 1
            for code in _judge_published(content, signature):
                _tell(report, Problem(str(content.get("owner", "")), int(content.get("seq") or 0), code))
    return report


def _owners(owner: str | None) -> list[str]:
    if owner is not None:
        return [owner]
    # Also chains whose last row vanished, and rows whose chain vanished.
    ended = AuditChain.objects.values_list("pk", flat=True)
    told = AuditEvent.objects.order_by().values_list("owner", flat=True).distinct()
    return sorted({*ended, *told, *AuditCheckpoint.objects.order_by().values_list("owner", flat=True).distinct()})


def _walk(owner: str, report: Report) -> Iterator[Problem]:
    marks = {row.seq: row for row in AuditCheckpoint.objects.filter(owner=owner).order_by("seq")}
    yield from _judge_marks(owner, marks, report)
    place = _Place()
    for event in AuditEvent.objects.filter(owner=owner).order_by("seq").iterator(chunk_size=_AT_ONCE):
        yield from _judge_gap(event, place, marks)
        report.events += 1
        yield from _judge_event(event, place)
        if event.seq in marks and marks[event.seq].digest != event.digest:
            yield Problem(owner, event.seq, "checkpoint.differs")
        place.seq, place.digest = event.seq, event.digest
    yield from _judge_end(owner, place, marks)


def _judge_gap(event: AuditEvent, place: _Place, marks: dict[int, AuditCheckpoint]) -> Iterator[Problem]:
    """A chain whose oldest part was purged begins right behind a checkpoint; any other gap is a loss."""
    if event.seq == place.seq + 1:
        return
    mark = marks.get(event.seq - 1)
    if place.seq == 0 and mark is not None:
        place.digest = mark.digest
        return
    yield Problem(event.owner, place.seq + 1, "event.missing")
    place.digest = event.prev


def _judge_event(event: AuditEvent, place: _Place) -> Iterator[Problem]:
    if event.prev != place.digest:
        yield Problem(event.owner, event.seq, "link.broken")
    if chain.digest_of(chain.as_dict(event)) != event.digest:
        yield Problem(event.owner, event.seq, "event.changed")
    if not hmac.compare_digest(_mac_of(event.digest), event.mac):
        yield Problem(event.owner, event.seq, "mac.wrong")


def _mac_of(digest: str) -> str:
    try:
        return chain.mac_of(digest)
    except ValueError:
        return ""


def _judge_end(owner: str, place: _Place, marks: dict[int, AuditCheckpoint]) -> Iterator[Problem]:
    end = AuditChain.objects.filter(pk=owner).first()
    last = max([place.seq, end.seq if end else 0, *marks])
    if last > place.seq:
        yield Problem(owner, place.seq + 1, "end.missing")
    if end is None or (end.seq, end.digest) != (place.seq, place.digest):
        yield Problem(owner, place.seq, "end.differs")


def _judge_marks(owner: str, marks: dict[int, AuditCheckpoint], report: Report) -> Iterator[Problem]:
    prev = ""
    for mark in marks.values():
        report.checkpoints += 1
        if not checkpoints.is_signed(checkpoints.as_dict(mark), mark.signature):
            yield Problem(owner, mark.seq, "checkpoint.forged")
        if mark.prev != prev:
            yield Problem(owner, mark.seq, "checkpoint.missing")
        prev = mark.signature


def _judge_published(content: dict[str, Any], signature: str) -> Iterator[str]:
    if not checkpoints.is_signed(content, signature):
        yield "published.forged"
        return
    kept = AuditCheckpoint.objects.filter(owner=content["owner"], seq=content["seq"]).first()
    if kept is None or kept.digest != content["digest"]:
        yield "published.differs"


def _tell(report: Report, problem: Problem) -> None:
    if len(report.problems) < _MOST_PROBLEMS:
        report.problems.append(problem)
