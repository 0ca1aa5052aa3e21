"""What the installation consists of, and where protected information goes."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from compliance.management.base import ComplianceCommand
from compliance.oversight.flow import draw_flow
from compliance.oversight.inventory import Place, take_inventory


class Command(ComplianceCommand):
    help = (
        "List programs with their versions, where the installation listens, where data lies, whom it talks to, and its keys "
        "by name; no secret is in it. --flow draws where protected information goes instead, as a Mermaid flowchart."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--json", action="store_true", dest="as_json", help="Print JSON for programs, the drawing in it."
        )
        how.add_argument("--flow", action="store_true", help="Print the drawing alone.")

    def handle(self, *, as_json: bool, flow: bool, **options: Any) -> None:
        found = take_inventory(now=timezone.now())
        if as_json:
            self.stdout.write(json.dumps({**found.as_json(), "flow": draw_flow(found)}, indent=1))
            return
        if flow:
            self.stdout.write(draw_flow(found), ending="")
            return
        for title, places in (
            ("Listening", found.listening), ("Stores", found.stores), ("Talking to", found.sending_to)
        ):  # fmt: skip
            self.stdout.write(f"{title}:")
            for place in places:
                self.stdout.write(f"  {_say(place)}")
        self.stdout.write("Keys:")
        for key in found.keys:
            self.stdout.write(f"  {key.what} {key.name} ×{key.count}".replace("  ×", " ×"))
        self.stdout.write("Versions:")
        for name, version in found.versions.items():
            self.stdout.write(f"  {name} {version}")


def _say(place: Place) -> str:
    port = f":{place.port}" if place.port else ""
    words = [
        f"{place.what}: {place.host}{port}",
        place.encryption,
        "protected data" if place.phi else "no protected data",
    ]
    words += [f"account {place.owner}"] if place.owner else []
    words += [f"agreement: {place.agreement}"] if place.agreement else []
    return ", ".join(words)
