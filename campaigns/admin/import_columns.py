"""The columns of a file on the screen: what each holds, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.audiences.columns import EMAIL, SKIP, suggest_name
from campaigns.audiences.importing import preview_import
from campaigns.models import ImportJob

_KEEP = "keep"
_SKIPPED = "skip"
_SAMPLES = 3
_SAMPLE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file; `choice` is email, keep or skip, `name` what it is called when kept."""

    number: int
    label: str
    samples: tuple[str, ...]
    choice: str
    name: str


def show_columns(job: ImportJob, mapping: Mapping[str, str]) -> tuple[Column, ...]:
    """The columns with sample cells and the present choice; raises CampaignError when the file cannot be read."""
    preview = preview_import(job)
    columns = []
    taken = {name for name in mapping.values() if name}
    for number, label in enumerate(preview.labels):
        target = mapping.get(label, SKIP)
        cells = (row[number] for row in preview.rows if number < len(row))
        samples = tuple(cell.strip()[:_SAMPLE_LENGTH] for cell in cells if cell.strip())[:_SAMPLES]
        is_kept = target not in {EMAIL, SKIP}
        name = target if is_kept else suggest_name(label, taken=taken, number=number + 1)
        choice = _KEEP if is_kept else EMAIL if target == EMAIL else _SKIPPED
        columns.append(Column(number, label, samples, choice, name))
    return tuple(columns)


def read_columns(posted: Mapping[str, str], job: ImportJob) -> dict[str, str]:
    """The mapping somebody chose, by column label."""
    mapping = {}
    for number, label in enumerate(preview_import(job, limit=0).labels):
        choice = posted.get(f"choice_{number}", _SKIPPED)
        if choice == EMAIL:
            mapping[label] = EMAIL
        else:
            mapping[label] = posted.get(f"name_{number}", "").strip() if choice == _KEEP else SKIP
    return mapping
