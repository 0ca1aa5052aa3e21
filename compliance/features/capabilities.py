"""What the product can do, read from `capabilities.toml` and checked once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from compliance.registry import RegistrationError

_FILE = Path(__file__).parent / "capabilities.toml"
_KEY = re.compile(r"[a-z]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_CODE = re.compile(r"hipaa\.[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Capability:
    """Something the product can do. An ineligible one has a code of its own and says what to do instead."""

    key: str
    label: str
    is_eligible: bool
    reason: str
    clause: str
    code: str = ""
    fix: str = ""


# What stands for anything nobody has listed.
UNLISTED = Capability(
    "unlisted.anything",
    "Anything that is not listed",
    False,
    "It is not listed as supported, so it is excluded.",
    "Any feature, functionality, or use case not explicitly listed as supported is excluded",
    "hipaa.feature-ineligible",
    "Use a feature that is listed as eligible.",
)


@lru_cache(maxsize=1)
def load_capabilities() -> Mapping[str, Capability]:
    """All of them by key; raises RegistrationError for one that is declared wrongly."""
    return check_capabilities(map(_read, tomllib.loads(_FILE.read_text("utf-8"))["capability"]))


def check_capabilities(capabilities: Iterable[Capability]) -> dict[str, Capability]:
    """By key; raises RegistrationError for a bad or repeated key or code, or a missing sentence."""
    found: dict[str, Capability] = {}
    codes: set[str] = {UNLISTED.code}
    for one in capabilities:
        if not _KEY.fullmatch(one.key) or one.key in found:
            raise RegistrationError(f"{one.key!r} is no new key of the form area.kebab-case.")
        if not all((one.label, one.reason, one.clause)):
            raise RegistrationError(f"{one.key} needs a label, a reason and the clause it rests on.")
        if one.is_eligible and (one.code or one.fix):
            raise RegistrationError(f"{one.key} is eligible and refuses nobody: no code, no fix.")
        if not one.is_eligible and (not _CODE.fullmatch(one.code) or one.code in codes or not one.fix):
            raise RegistrationError(f"{one.key} needs a code hipaa.kebab-case of its own, and a fix.")
        found[one.key] = one
        codes.add(one.code)
    return found


def _read(entry: dict[str, Any]) -> Capability:
    try:
        return Capability(
            key=entry["key"], label=entry["label"], is_eligible=entry["eligible"], reason=entry["reason"],
            clause=entry["clause"], code=entry.get("code", ""), fix=entry.get("fix", ""),
        )  # fmt: skip
    except KeyError as error:
        raise RegistrationError(f"The capability {entry.get('key')!r} lacks {error}.") from error
