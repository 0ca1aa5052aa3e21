"""What support needs to know about a message, a campaign or a submission: ids, states, moments and codes."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from campaigns.accounts.tenancy import find_account
from compliance.management.base import ComplianceCommand, operator
from compliance.oversight import support


class Command(ComplianceCommand):
    help = "Print ids, states, moments and codes of a message, a submission or a campaign. No address, no name, no content."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        which = parser.add_mutually_exclusive_group(required=True)
        for kind in support.KINDS:
            which.add_argument(f"--{kind}", default="", metavar="ID")

    def handle(self, *, account: str, **options: Any) -> None:
        kind = next(kind for kind in support.KINDS if options[kind])
        content = support.make_bundle(find_account(account), kind=kind, public_id=options[kind], actor=operator())
        self.stdout.write(json.dumps(content, indent=1))
