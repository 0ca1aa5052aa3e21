"""What a preview shows for a value nobody gave: its name, and the name of whatever is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StandIn(str):
    """`[user]` for a variable called user, and `[user.name]` where the template asks for its name."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> str:
        # A size is compared with numbers: it is that of the text.
        if isinstance(key, str) and key != "size":
            return stand_in(f"{str(self)[1:-1]}.{key}")
        return super().__getitem__(key)


def stand_in(name: str) -> StandIn:
    """Looks like the name, and has every part a template may ask for."""
    return StandIn(f"[{name}]")


def part_of(value: object, name: str) -> object:
    """The value's part of this name; None when it has none."""
    if isinstance(value, StandIn):
        return value[name]
    return value.get(name) if isinstance(value, Mapping) else None
