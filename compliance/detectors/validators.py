"""Whether what looks like a number of some kind can be one."""

from __future__ import annotations

from collections.abc import Callable


def is_anything(_: str) -> bool:
    return True


def is_npi(text: str) -> bool:
    """A National Provider Identifier: the Luhn sum over 80840 and its ten digits fits (45 CFR 162.406)."""
    return _fits_luhn("80840" + "".join(filter(str.isdigit, text)))


def is_ssn(text: str) -> bool:
    """A Social Security number that can have been given out: no area 000, 666, 9xx, no group 00, no serial 0000."""
    digits = "".join(filter(str.isdigit, text))
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000"


def _fits_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


BY_NAME: dict[str, Callable[[str], bool]] = {"any": is_anything, "npi": is_npi, "ssn": is_ssn}
