"""Three rows for whoever uploaded a file, to see that names and addresses belong together, and nothing more."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from campaigns.audiences.sheets import SheetRow

SAMPLES = 3
_SHOWN = 3  # letters of a name and of an address: enough to compare, too few to tell who it is
_DOT = "●"


def mask_address(address: str) -> str:
    """`ann●●●@ex●●●●●.org`: the beginning of the mailbox and of the domain, and the last label."""
    local, _, domain = address.rpartition("@")
    host, dot, ending = domain.rpartition(".")
    return f"{mask_word(local)}@{mask_word(host, shown=2)}{dot}{ending}"


def mask_word(text: str, *, shown: int = _SHOWN) -> str:
    """The first letters of each word; what is no longer than that shows its first letter only."""
    return " ".join(word[: shown if len(word) > shown else 1] + _DOT * 4 for word in text.split())[:60]


def pick_samples(rows: Sequence[SheetRow], *, names: Sequence[str]) -> list[dict[str, Any]]:
    """Three rows of the file, by chance, masked: {"line", "address", "values"}; values that are no names show one letter."""
    chosen = random.SystemRandom().sample(range(len(rows)), min(SAMPLES, len(rows)))
    return [_mask_row(rows[at], names) for at in sorted(chosen)]


def _mask_row(row: SheetRow, names: Sequence[str]) -> dict[str, Any]:
    return {
        "line": row.line,
        "address": mask_address(row.address.normalized),
        "values": _mask_values(row.values, names),
    }


def _mask_values(values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    return {name: mask_word(value, shown=_SHOWN if name in names else 1) for name, value in values.items()}
