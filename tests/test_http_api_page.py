"""docs/http-api.md says of statuses and errors what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from campaigns.outbox import statuses

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "http-api.md").read_text("utf-8")


def rows(columns: int) -> set[tuple[str, ...]]:
    """The rows of the page's table that begins with a number and has so many columns."""
    found = [tuple(cell.strip(" `") for cell in line.strip("|").split("|")) for line in re.findall(r"^\| \d+ .*", PAGE, re.M)]
    return {row for row in found if len(row) == columns}


def test_its_table_of_statuses_is_the_codes() -> None:
    told = {(str(s.id), s.name, s.group_name, s.description.rstrip(".")) for s in statuses.list_statuses()}
    assert rows(4) == told


def test_its_table_of_errors_is_the_codes() -> None:
    told = {
        (str(f.id), f.name, f.group_name, "yes" if f.permanent else "no", f.description) for f in statuses.list_faults()
    }
    assert rows(5) == told
