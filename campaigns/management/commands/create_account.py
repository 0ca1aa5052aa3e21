"""Create an account."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from django.utils.text import slugify

from campaigns.accounts.creation import create_account
from campaigns.management.base import RoomCommand


class Command(RoomCommand):
    help = "Create an account; its mail goes to the sandbox until another transport is set up."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="What people call the organisation.")
        parser.add_argument("--slug", default="", help="Short name for commands; made from the name when left out.")
        parser.add_argument("--postal-address", default="", help="Shown in marketing mail; the law asks for it.")
        parser.add_argument("--time-zone", default="UTC", help="Such as Europe/Vilnius.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, name: str, slug: str, postal_address: str, time_zone: str, as_json: bool, **_: Any) -> None:
        slug = slug or slugify(name)[:60]
        account = create_account(name=name, slug=slug, postal_address=postal_address, time_zone=time_zone)
        made = {"account": account.slug, "public_id": str(account.public_id), "time_zone": account.time_zone}
        self.stdout.write(json.dumps(made) if as_json else f"Created the account {account.slug}.")
