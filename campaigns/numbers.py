"""Numbers for public ids, for wires that know numbers only."""

from __future__ import annotations

from uuid import UUID

# 49 of these bits are random: enough within one account, and no reader of JSON rounds such a number.
_NUMBER_BITS = 53


def number_of(public_id: UUID) -> int:
    """The number Infobip's wire has where we have a public id: its first 53 bits."""
    return public_id.int >> (128 - _NUMBER_BITS)


def ids_between(number: int) -> tuple[UUID, UUID]:
    """The first and the last public id with this number; raises ValueError for one that none has."""
    if not 0 <= number < 1 << _NUMBER_BITS:
        raise ValueError("not a number of ours")
    low = number << (128 - _NUMBER_BITS)
    return UUID(int=low), UUID(int=low | ((1 << (128 - _NUMBER_BITS)) - 1))
