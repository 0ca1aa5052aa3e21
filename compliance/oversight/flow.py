"""Where protected information comes in, lies and goes, drawn from an inventory as a Mermaid flowchart. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from compliance.oversight.inventory import Inventory, Place

_UNSAFE = re.compile(r"[^\w .:/(),-]")


def draw_flow(inventory: Inventory) -> str:
    """Boxes are places; whole arrows carry protected data, over what, and dotted ones never do."""
    lines = ["flowchart LR", f'  sealpost["{_clean("Sealpost: checks, seals, asks for approval")}"]']
    for number, place in enumerate(inventory.listening):
        lines += [f'  in{number}["{_name(place)}"]', f"  in{number} {_arrow(place)} sealpost"]
    for number, place in enumerate(inventory.stores):
        lines += [f'  at{number}[("{_name(place)}")]', f"  sealpost {_arrow(place, sealed=True)} at{number}"]
    for number, place in enumerate(_merge(inventory.sending_to)):
        lines += [f'  out{number}["{_name(place)}"]', f"  sealpost {_arrow(place)} out{number}"]
        if place.what.startswith("way to send"):
            arrow = "-->" if place.phi else "-.->"
            lines.append(
                f'  out{number} {arrow}|agreement: {_clean(place.agreement)}| readers["mail servers of recipients"]'
            )
    return "\n".join(dict.fromkeys(lines)) + "\n"


def _merge(places: Iterable[Place]) -> list[Place]:
    """One box for a host, whoever uses it; protected if it is for one of them."""
    found: dict[tuple[str, str, int], Place] = {}
    for place in places:
        key = (place.what, place.host, place.port)
        if key not in found or place.phi:
            found[key] = place
    return list(found.values())


def _arrow(place: Place, *, sealed: bool = False) -> str:
    label = _clean(f"sealed, {place.encryption}" if sealed and place.phi else place.encryption)
    return f"-->|{label}|" if place.phi else f"-.->|{label}|"


def _name(place: Place) -> str:
    port = f":{place.port}" if place.port else ""
    return _clean(f"{place.what}, {place.host}{port}")


def _clean(text: str) -> str:
    """Names of hosts come from settings and tables: nothing in them ends a label."""
    return _UNSAFE.sub(" ", text)
