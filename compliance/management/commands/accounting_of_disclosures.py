"""Whom protected data about a person went to."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.accounts.tenancy import find_account
from compliance import audit, disclosures
from compliance.audit import Ref
from compliance.management.base import ComplianceCommand, operator
from compliance.models import Disclosure


class Command(ComplianceCommand):
    help = (
        "List the disclosures about one person (45 CFR 164.528). The address is read from standard input, so that it stays "
        "out of the history of the shell; nothing printed contains it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        parser.add_argument("--all", action="store_true", dest="everything", help="Also what the law does not count.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, account: str, everything: bool, as_json: bool, **options: Any) -> None:
        found = find_account(account)
        address = addresses.parse(sys.stdin.readline().strip())
        key = tokens.address_key(address, account=found.public_id)
        owner = str(found.public_id)
        with transaction.atomic():
            rows = disclosures.account_for(key, owner=owner, now=timezone.now(), with_uncounted=everything)
            # By the count, not the person: the trail must not say whose accounting was asked for.
            data: dict[str, audit.Value] = {"report": "accounting", "count": len(rows)}
            audit.record("evidence.exported", owner=owner, actor=operator(), about=Ref("account", owner), data=data)
        lines = [_as_json(row) for row in rows]
        if as_json:
            self.stdout.write(json.dumps(lines))
            return
        for line in lines:
            kinds = ", ".join(line["categories"]) or "not stated"
            self.stdout.write(f"{line['at']}  {line['purpose']}, {line['legal_basis']}: {kinds} ({line['message']})")
        self.stdout.write(f"{len(lines):,} disclosures.")


def _as_json(row: Disclosure) -> dict[str, Any]:
    return {
        "at": row.at.isoformat(),
        "purpose": row.purpose,
        "legal_basis": row.legal_basis,
        "categories": row.categories,
        "message": str(row.message),
        "approval": str(row.approval) if row.approval else None,
    }
