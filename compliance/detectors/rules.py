"""The rules of the detectors: data with examples, read and checked once.

A rule names a pattern, words that must stand near it, and a check of what was found. Its examples are its test.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from compliance.detectors import validators
from compliance.detectors.linear import check_linear

_FOLDER = Path(__file__).parent / "data"
_ID = re.compile(r"[a-z]+\.[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_LEVELS = frozenset({"block", "warn"})
NEAR = 60  # characters around a hit in which its words may stand
_FLAGS = re.IGNORECASE | re.ASCII


class RuleError(ValueError):
    """A rule is declared wrongly; the text says which and how."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One detector. `strict` is its level in a subject and the like, where `level` is that of a body; it looks at its
    `places`, or everywhere when it names none.

    `exceptable` says whether a compliance officer may let one exact text pass; `near` words must stand around it.
    """

    id: str
    level: str
    strict: str
    text: str
    action: str
    citation: str
    exceptable: bool
    places: frozenset[str]
    pattern: re.Pattern[str]
    near: re.Pattern[str] | None
    is_real: Callable[[str], bool]
    ignored: frozenset[str]
    hits: tuple[str, ...] = field(repr=False)
    misses: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules of one version, which an approval pins."""

    version: str
    rules: tuple[Rule, ...]
    look_alikes: tuple[str, ...] = field(repr=False)

    def find(self, rule_id: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.id == rule_id), None)


@lru_cache(maxsize=1)
def load_rules() -> RuleSet:
    """The rules that come with the program; raises RuleError."""
    look_alikes = tomllib.loads((_FOLDER / "look-alikes.toml").read_text("utf-8"))
    files = sorted(path for path in _FOLDER.glob("*.toml") if path.name != "look-alikes.toml")
    rules = [_read_rule(entry) for path in files for entry in tomllib.loads(path.read_text("utf-8"))["rule"]]
    _check_ids(rules)
    return RuleSet(str(look_alikes["version"]), tuple(rules), tuple(look_alikes["texts"]))


def _read_rule(entry: dict[str, Any]) -> Rule:
    try:
        rule = _build(entry)
    except (KeyError, TypeError, AttributeError, re.error) as error:
        raise RuleError(f"Rule {entry.get('id')!r} lacks or spoils {error}.") from error
    if not _ID.fullmatch(rule.id) or {rule.level, rule.strict} - _LEVELS:
        raise RuleError(f"Rule {rule.id!r} needs an id area.kebab-case and levels block or warn.")
    if not all((rule.text, rule.action, rule.citation)):
        raise RuleError(f"Rule {rule.id} needs a text, an action and a citation.")
    return rule


def _build(entry: dict[str, Any]) -> Rule:
    source = _expand(entry["pattern"], entry.get("words", []))
    check_linear(source)
    near = _any_of(entry["near"]) if entry.get("near") else None
    return Rule(
        id=entry["id"], level=entry["level"], strict=entry.get("strict", entry["level"]), text=entry["text"],
        action=entry["action"], citation=entry["citation"], exceptable=bool(entry.get("exceptable", True)),
        places=frozenset(entry.get("places", [])), pattern=re.compile(source, _FLAGS), near=near, is_real=validators.BY_NAME[entry.get("check", "any")],
        ignored=frozenset(entry.get("ignored", [])), hits=tuple(entry["hits"]), misses=tuple(entry["misses"]),
    )  # fmt: skip


def _expand(pattern: str, words: Iterable[str]) -> str:
    """The pattern with WORDS replaced by the list of them, the longest first."""
    listed = "|".join(re.escape(word).replace(r"\ ", "[ -]") for word in sorted(words, key=len, reverse=True))
    return pattern.replace("WORDS", f"(?:{listed})") if listed else pattern


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(word) for word in words), _FLAGS)


def _check_ids(rules: list[Rule]) -> None:
    ids = [rule.id for rule in rules]
    if len(set(ids)) < len(ids):
        raise RuleError("Two rules have the same id.")
