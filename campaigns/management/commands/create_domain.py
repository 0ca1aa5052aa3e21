"""Add a sending domain to an account."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from campaigns.accounts.tenancy import find_account
from campaigns.domains.creation import create_domain
from campaigns.domains.expected import all_records
from campaigns.management.base import RoomCommand


class Command(RoomCommand):
    help = "Add a sending domain with a DKIM key and print the DNS records to publish."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        parser.add_argument("domain", help="The domain of the from-addresses, such as news.example.com.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, account: str, domain: str, as_json: bool, **_: Any) -> None:
        made = create_domain(find_account(account), name=domain)
        records = all_records(made)
        if as_json:
            self.stdout.write(json.dumps({"domain": made.name, "records": [asdict(record) for record in records]}))
            return
        self.stdout.write(f"Added {made.name}. Publish these records, then run verify_domains:\n")
        for record in records:
            self.stdout.write(f"{record.host}. {record.type} {record.zone_text}")
