"""Texts with markers for values, and where each value stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.content.markers import IN_MAIL, IN_URL, MARK, PLAIN, URL_START, mark, read
from campaigns.content.problems import RenderError
from campaigns.content.values import ENCODERS, Place

_PLAIN_PLACES = {
    PLAIN: Place.PLAIN,
    URL_START: Place.PLAIN_URL_START,
    IN_URL: Place.PLAIN_IN_URL,
    IN_MAIL: Place.PLAIN_IN_MAIL,
}

Values = Sequence[str | RenderError]
Needs = tuple[tuple[int, Place], ...]


@dataclass(frozen=True, slots=True)
class Slotted:
    """A text whose markers count its needs: `text` has marker i where needs[i] = (slot, place) goes."""

    text: str
    needs: Needs

    def fill(self, values: Values) -> str:
        filled = [ENCODERS[place](value_of(values, slot)) for slot, place in self.needs]
        return MARK.sub(lambda found: filled[read(found[0])[1]], self.text)

    def bind(self, known: Mapping[int, str]) -> Slotted:
        """The text with the values of some slots as literals."""
        left = [need for need in self.needs if need[0] not in known]
        text = MARK.sub(lambda found: _bound_need(self.needs[read(found[0])[1]], known, left), self.text)
        return Slotted(text, tuple(left))


def _bound_need(need: tuple[int, Place], known: Mapping[int, str], left: list[tuple[int, Place]]) -> str:
    slot, place = need
    return ENCODERS[place](known[slot]) if slot in known else mark(left.index(need))


def value_of(values: Values, slot: int) -> str:
    """The value of a slot; raises the error it is."""
    value = values[slot]
    if isinstance(value, RenderError):
        raise value
    return value


def place_slots(text: str, places: Sequence[Place]) -> Slotted:
    """A skeleton's text, its markers counting slots, as one whose markers count needs."""
    needs: dict[tuple[int, Place], int] = {}
    found = iter(places)

    def renumber(marker: re.Match[str]) -> str:
        need = (read(marker[0])[1], next(found))
        return mark(needs.setdefault(need, len(needs)))

    return Slotted(MARK.sub(renumber, text), tuple(needs)) if places else Slotted(text, ())


def place_plainly(text: str) -> Slotted:
    """The same for text that is no HTML."""
    return place_slots(text, [_PLAIN_PLACES[read(marker)[0]] for marker in MARK.findall(text)])
