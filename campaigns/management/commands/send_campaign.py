"""Compose and send a campaign from the command line."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from campaigns.accounts.tenancy import find_account
from campaigns.management.base import RoomCommand
from campaigns.outbox.reports import campaign_report
from campaigns.planning import compose, sending, working


class Command(RoomCommand):
    help = "Send the latest version of a template to lists, now or at a time; prints the campaign's id and report."

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("account", help="Short name of the account.")
        add("--name", required=True, help="What people call the campaign.")
        add("--template", required=True, help="Name of the template.")
        add("--sender", required=True, help="From-address.")
        add("--list", required=True, action="append", dest="lists", help="Short name of a list; repeat for more.")
        add("--exclude", action="append", default=[], help="Short name of a list whose people are left out.")
        add("--purpose", choices=["marketing", "transactional"], default="marketing")
        when = parser.add_mutually_exclusive_group()
        when.add_argument("--now", action="store_true", help="Send at once (the default).")
        when.add_argument("--at", default="", help="An ISO time with zone, such as 2027-01-31T09:00+02:00.")
        add("--wait", action="store_true", help="Help sending and return when nothing of it is due any more.")
        add("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, account: str, at: str, wait: bool, as_json: bool, **options: Any) -> None:
        named = {name: options[name] for name in ("name", "template", "sender", "lists", "exclude", "purpose")}
        moment = sending.read_time(at) if at else None
        campaign = compose.create_from_names(find_account(account), **named)
        if moment:
            sending.schedule(campaign, at=moment)
        else:
            sending.send_now(campaign)
        if wait and not moment:
            working.finish_sending(campaign)
        line = {"campaign": str(campaign.public_id), **campaign_report(campaign).as_json()}
        words = " ".join(f"{name}={value}" for name, value in line.items() if name != "reasons")
        self.stdout.write(json.dumps(line) if as_json else words)
