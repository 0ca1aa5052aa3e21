"""Finding: every rule over every text, within a budget of size and time. What cannot be decided blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from compliance.detectors.links import find_in_links
from compliance.detectors.rules import NEAR, Rule, RuleSet
from compliance.detectors.texts import STRICT, Readable

MOST_CHARACTERS = 1_000_000
WINDOW = 8_192
# Longer than any pattern can match together with the words around it.
OVERLAP = 512
SECONDS = 0.25  # for a rule and 100,000 characters
MOST_HITS = 50  # of a rule in a text: what comes after them is mended by the same hand

UNDECIDED = "detector.undecided"
TOO_LARGE = "detector.too-large"


@dataclass(frozen=True, slots=True)
class Found:
    """One hit: where, how grave, what to do. `text` is what was found and is shown to nobody; `snippet` is masked."""

    rule: str
    place: str
    line: int
    level: str
    snippet: str
    message: str
    action: str
    exceptable: bool
    text: str = field(repr=False)

    @property
    def where(self) -> str:
        return f"{self.place}:{self.line}"


def find(
    texts: Iterable[Readable],
    *,
    rules: RuleSet,
    hosts: frozenset[str] = frozenset(),
    known: frozenset[str] = frozenset(),
    clock: Callable[[], float] = time.monotonic,
) -> list[Found]:
    """All hits, the strictest first. `hosts` may be linked to; `known` are the account's own public addresses and numbers."""
    hits: list[Found] = []
    for readable in texts:
        if len(readable.text) > MOST_CHARACTERS:
            hits.append(_undecided(TOO_LARGE, readable.place, "This text is too long to be checked."))
            continue
        for rule in (rule for rule in rules.rules if not rule.places or readable.place in rule.places):
            hits += _apply(rule, readable, known=known, clock=clock)
        hits += [
            _found_link(readable, link.line, problem) for link, problem in find_in_links(readable.links, hosts=hosts)
        ]
    return sorted(hits, key=lambda hit: (hit.level != "block", hit.place, hit.line, hit.rule))


def mask(text: str) -> str:
    """What was found, unreadable: its first and last character and its punctuation, at most 24 characters."""
    shown = text[:24]
    last = len(shown) - 1
    return "".join("●" if 0 < at < last and c.isalnum() else c for at, c in enumerate(shown))


def _apply(rule: Rule, readable: Readable, *, known: frozenset[str], clock: Callable[[], float]) -> list[Found]:
    budget = SECONDS * max(1.0, len(readable.text) / 100_000)
    began, hits = clock(), dict[int, Found]()
    for start in range(0, max(len(readable.text), 1), WINDOW):
        for at, text in _match(rule, readable.text, start):
            if text not in rule.ignored and text.casefold() not in known:
                hits.setdefault(at, _found(rule, readable, at, text))
        if clock() - began > budget:
            return [_undecided(UNDECIDED, readable.place, "A check took too long to decide.")]
        if len(hits) >= MOST_HITS:
            break
    return list(hits.values())


def _match(rule: Rule, text: str, start: int) -> Iterator[tuple[int, str]]:
    """(position, what) of each hit that begins in the window at start."""
    end = min(len(text), start + WINDOW + OVERLAP)
    for found in rule.pattern.finditer(text, start, end):
        if found.start() >= start + WINDOW:
            return
        if not rule.is_real(found[0]):
            continue
        around = text[max(0, found.start() - NEAR) : found.end() + NEAR]
        if rule.near is None or rule.near.search(around):
            yield found.start(), found[0]


def _found(rule: Rule, readable: Readable, at: int, text: str) -> Found:
    level = rule.strict if readable.place in STRICT else rule.level
    return Found(
        rule.id, readable.place, readable.line_at(at), level, mask(text), rule.text, rule.action, rule.exceptable, text
    )


def _found_link(readable: Readable, line: int, problem: tuple[str, str, str, str, str]) -> Found:
    rule_id, level, text, message, action = problem
    return Found(rule_id, readable.place, line, level, mask(text), message, action, True, text)


def _undecided(rule_id: str, place: str, message: str) -> Found:
    return Found(rule_id, place, 1, "block", "", message, "Shorten it, or split it.", False, rule_id)
