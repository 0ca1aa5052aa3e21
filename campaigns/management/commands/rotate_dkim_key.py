"""Change the DKIM key of a sending domain."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from campaigns.accounts.tenancy import find_account, find_domain
from campaigns.addresses import ascii_domain
from campaigns.domains.expected import expect_key
from campaigns.domains.rotation import KEPT_PUBLISHED, start_rotation
from campaigns.errors import NotFound
from campaigns.management.base import RoomCommand
from campaigns.models import DkimKey, Domain


class Command(RoomCommand):
    help = "Make a new DKIM key and print its record. The key in use goes on signing until DNS shows the new one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("domain", help="The sending domain, such as news.example.com.")
        parser.add_argument("--account", default="", help="Short name of its account, when several have the domain.")
        parser.add_argument("--ed25519", action="store_true", help="The key of the second signature, by Ed25519.")

    def handle(self, *, domain: str, account: str, ed25519: bool, **_: Any) -> None:
        found = _choose(ascii_domain(domain), account)
        key = start_rotation(found, algorithm=DkimKey.Algorithm.ED25519 if ed25519 else DkimKey.Algorithm.RSA)
        record = expect_key(found, key)
        self.stdout.write("Publish this record and leave the others as they are:\n")
        self.stdout.write(f"{record.host}. {record.type} {record.zone_text}")
        self.stdout.write(
            "The new key signs from the first look that finds it: run verify_domains, or wait for the hourly look. "
            f"Keep the record of a key it replaces for {KEPT_PUBLISHED.days} days more; verify_domains says when it may go."
        )


def _choose(name: str, account: str) -> Domain:
    if account:
        return find_domain(find_account(account), name)
    rows = list(Domain.objects.filter(name=name).select_related("account")[:2])
    if not rows:
        raise NotFound("domain")
    if len(rows) > 1:
        raise CommandError("Several accounts have this domain. Name one with --account.")
    return rows[0]
