"""Real bounces of many mail systems, labelled by others: how many of them we read right."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "corpora"
BOUNCES, POSTFIX = SHARED / "bounces", SHARED / "postfix-dsn"
KINDS = {"feedback": "complaint", "vacation": "autoreply", "delivered": "delivered"}

pytestmark = pytest.mark.skipif(not BOUNCES.exists(), reason="the corpora of bounces are not beside this repository")


@pytest.fixture(scope="module")
def read() -> dict[str, dict[str, Any]]:
    """What the command prints for each file."""
    out = StringIO()
    call_command("parse_bounces", BOUNCES / "messages", jsonl=True, stdout=out)
    return {row["file"]: row for row in map(json.loads, out.getvalue().splitlines())}


@pytest.fixture(scope="module")
def labels() -> dict[str, list[dict[str, str]]]:
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in csv.DictReader((BOUNCES / "expected.tsv").read_text("utf-8").splitlines(), delimiter="\t"):
        rows[row["file"]].append(row)
    return rows


Read = dict[str, dict[str, Any]]
Labels = dict[str, list[dict[str, str]]]


def kind_of(rows: list[dict[str, str]]) -> str:
    return KINDS.get(rows[0]["reason"], "bounce")


def addresses_of(row: dict[str, Any]) -> set[str]:
    return {entry["address"].lower() for entry in row["recipients"]}


def test_every_file_is_read_and_none_breaks_anything(read: Read) -> None:
    """DS-08: qmail, Exim, Gmail, Exchange, iso-2022-jp, utf-7, lines that end in CR."""
    assert set(read) == {path.name for path in (BOUNCES / "messages").iterdir()}


def test_nearly_every_file_is_of_the_right_kind(read: Read, labels: Labels) -> None:
    """DS-02, DS-07, FB-04."""
    right = [(read[name]["kind"].replace("delayed", "bounce")) == kind_of(rows) for name, rows in labels.items()]
    assert sum(right) / len(right) > 0.98
    complaints = [name for name, rows in labels.items() if kind_of(rows) == "complaint"]
    assert all(read[name]["kind"] == "complaint" for name in complaints)


def test_nearly_every_recipient_is_found(read: Read, labels: Labels) -> None:
    """DS-08."""
    wanted = {
        name: {row["recipient"].lower() for row in rows if row["recipient"]}
        for name, rows in labels.items()
        if kind_of(rows) == "bounce"
    }
    found = [addresses == addresses_of(read[name]) for name, addresses in wanted.items() if addresses]
    assert sum(found) / len(found) > 0.97


def test_dead_addresses_are_told_from_all_others(read: Read, labels: Labels) -> None:
    """DS-03, DS-04: precision before recall, for a reader who is cut off by mistake never comes back."""
    hits = wrong = missed = 0
    for name, rows in labels.items():
        classes = {entry["address"].lower(): entry["class"] for entry in read[name]["recipients"]}
        if kind_of(rows) != "bounce":
            assert "hard" not in classes.values()
            continue
        for row in rows:
            is_hard = classes.get(row["recipient"].lower()) == "hard"
            hits += is_hard and row["hardbounce"] == "1"
            wrong += is_hard and row["hardbounce"] == "0"
            missed += not is_hard and row["hardbounce"] == "1"
    assert hits / (hits + wrong) > 0.96
    assert hits / (hits + missed) > 0.95


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("nouser", "bounce", "no-mailbox"), ("fullhard", "bounce", "mailbox-full"), ("full", "bounce", "mailbox-full"),
        ("grey", "bounce", "try-later"), ("block", "bounce", "blocked"), ("auth", "bounce", "authentication"),
        ("spam", "bounce", "spam"), ("dsn", "bounce", "no-mailbox"), ("dsn2", "delivered", "undefined"),
    ],
)  # fmt: skip
def test_what_postfix_itself_sends(name: str, kind: str, reason: str) -> None:
    """DS-01, DS-03."""
    out = StringIO()
    call_command("parse_bounces", POSTFIX / f"{name}.eml", jsonl=True, stdout=out)
    row = json.loads(out.getvalue())
    assert (row["kind"], [entry["reason"] for entry in row["recipients"]]) == (kind, [reason])
