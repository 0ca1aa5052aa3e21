"""What became of a campaign."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from rich.console import Console

from campaigns.accounts.tenancy import access_campaign, find_account
from campaigns.management.base import RoomCommand
from campaigns.management.terminal import draw_report
from campaigns.outbox.reports import campaign_report


class Command(RoomCommand):
    help = "Print how many messages of a campaign were sent, refused, bounced and so on."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        parser.add_argument("campaign", help="Id of the campaign, as send_campaign prints it.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, account: str, campaign: str, as_json: bool, **options: Any) -> None:
        found = access_campaign(find_account(account), campaign)
        report = campaign_report(found)
        if as_json:
            self.stdout.write(json.dumps(report.as_json()))
        else:
            Console().print(draw_report(found.name, report))
