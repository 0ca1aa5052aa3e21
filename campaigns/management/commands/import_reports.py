"""Take in reports of mailbox providers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns.accounts.tenancy import find_account
from campaigns.domains.reports import Taken, take_reports, verified_domains
from campaigns.domains.unpacking import MOST_PACKED
from campaigns.errors import CampaignError
from campaigns.management.base import RoomCommand
from campaigns.models import Domain


class Command(RoomCommand):
    help = (
        "Take in DMARC and TLS reports, XML or JSON, plain or as .gz or .zip, for the verified domains they are about. "
        "Files that cannot be read are named, and the exit status is 1."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="Attachments of reports.")
        parser.add_argument("--account", default="", help="Only for the domains of this account, verified or not.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, files: list[Path], account: str, as_json: bool, **_: Any) -> None:
        owned = Domain.objects.filter(account=find_account(account)) if account else verified_domains()
        domains = list(owned)
        total, unread = Taken(), []
        for file in files:
            try:
                total += take_reports(_read(file), domains=domains, now=timezone.now())
            except CampaignError as error:
                unread.append({"file": file.name, "code": error.code, "text": error.safe_text})
        counts = {"stored": total.stored, "known": total.known, "foreign": total.foreign}
        if as_json:
            self.stdout.write(json.dumps({**counts, "unread": unread}))
        else:
            self.stdout.write(
                "Reports: {stored} stored, {known} known before, {foreign} about other domains.".format(**counts)
            )
        if unread:
            raise CommandError("\n".join(f"{entry['file']}: {entry['text']}" for entry in unread))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            # One byte more shows that it is too much.
            return opened.read(MOST_PACKED + 1)
    except OSError as error:
        raise CampaignError("report.no-file", "This file cannot be opened.") from error
