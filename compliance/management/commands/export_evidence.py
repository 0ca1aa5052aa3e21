"""Evidence of an approved send."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns.accounts.tenancy import access_campaign, find_account
from campaigns.models import Campaign, Message, Submission
from compliance.evidence.bundle import write_evidence
from compliance.management.base import ComplianceCommand, operator
from compliance.models import Approval, Disclosure, MessageProof

_CHUNK = 2_000


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
        submissions = Submission.objects.filter(campaign=found).values_list("public_id", flat=True)
        scopes = [f"submission:{public_id}:" for public_id in submissions]
        try:
            with file.open("xb") as output:
                write_evidence(
                    output,
                    approval,
                    messages=_rows(approval, found),
                    scopes=scopes,
                    actor=operator(),
                    now=timezone.now(),
                )
        except OSError as error:
            raise CommandError("The file cannot be written, or exists.") from error
        self.stdout.write(f"Wrote {file}. Verify it with: python3 verify.py, in the folder where you unpack it.")


def _rows(approval: Approval, campaign: Campaign) -> Iterator[dict[str, Any]]:
    """The messages in the order of the approved list: ids, codes and moments, and how each travelled."""
    proofs = MessageProof.objects.filter(approval=approval, message__submission__campaign=campaign)
    rows = proofs.select_related("message").order_by("position").iterator(chunk_size=_CHUNK)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        left = {
            row.message: row for row in Disclosure.objects.filter(message__in=[one.message.public_id for one in chunk])
        }
        for proof in chunk:
            told = _row(proof.message, left.get(proof.message.public_id))
            yield {"position": proof.position, "leaf": bytes(proof.leaf).hex(), **told}


def _row(message: Message, left: Disclosure | None) -> dict[str, Any]:
    return {
        "tls": [left.tls_version, left.tls_cipher, left.tls_fingerprint, left.peer_host] if left else None,
        "message": str(message.public_id),
        "index": message.address_key[:8],
        "state": message.state,
        "error_code": message.error_code,
        "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        "done_at": message.done_at.isoformat() if message.done_at else None,
    }
