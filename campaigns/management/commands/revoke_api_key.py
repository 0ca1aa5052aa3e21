"""Revoke a program's key."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from campaigns.accounts.keys import revoke_key
from campaigns.accounts.tenancy import find_api_key
from campaigns.management.base import RoomCommand


class Command(RoomCommand):
    help = "Revoke an API key at once and for good."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("prefix", help="The part of the key before its first hyphen, or the beginning of it.")

    def handle(self, *, prefix: str, **_: Any) -> None:
        key = find_api_key(prefix)
        revoke_key(key)
        self.stdout.write(f"Revoked: {key}")
