"""Evidence of an approved send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns.accounts.tenancy import access_campaign, find_account
from campaigns.planning.hipaa import outcome
from compliance.evidence.bundle import write_evidence
from compliance.management.base import ComplianceCommand, operator
from compliance.models import Approval


class Command(ComplianceCommand):
    help = (
        "Write a ZIP with everything that proves how a send was approved and what became of it, without any address or "
        "content. Whoever gets it verifies it with the program inside."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        parser.add_argument("campaign", help="Id of the campaign.")
        parser.add_argument("file", type=Path, help="Where to write; an existing file stays as it is.")

    def handle(self, *, account: str, campaign: str, file: Path, **options: Any) -> None:
        found = access_campaign(find_account(account), campaign)
        approval = Approval.objects.filter(campaign=found).order_by("-revision").first()
        if approval is None:
            raise CommandError("This campaign was never submitted for approval.")
        try:
            with file.open("xb") as output:
                write_evidence(
                    output,
                    approval,
                    messages=outcome.list_evidence(approval),
                    scopes=outcome.list_scopes(approval),
                    actor=operator(),
                    now=timezone.now(),
                )
        except OSError as error:
            raise CommandError("The file cannot be written, or exists.") from error
        self.stdout.write(f"Wrote {file}. Verify it with: python3 verify.py, in the folder where you unpack it.")
