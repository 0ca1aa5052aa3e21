"""Look at the DNS records of sending domains."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.console import Console

from campaigns.accounts.tenancy import find_account
from campaigns.addresses import ascii_domain
from campaigns.domains.expected import all_records
from campaigns.domains.lookup import make_resolver
from campaigns.domains.verification import verify_domain
from campaigns.errors import NotFound
from campaigns.management.base import RoomCommand
from campaigns.management.terminal import DomainRow, draw_domains
from campaigns.models import Domain


class Command(RoomCommand):
    help = (
        "Check the DNS records of every sending domain, or of one account's, and say what is wrong and what would be right. "
        "The exit status is 1 when a domain is not verified."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", nargs="?", default="", help="Short name of an account; all when left out.")
        parser.add_argument("--domain", default="", help="Only this domain.")
        parser.add_argument("--nameserver", default="", help="Ask this one, such as 9.9.9.9 or 127.0.0.1:5353.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print a line of JSON for each domain.")

    def handle(self, *, account: str, domain: str, nameserver: str, as_json: bool, **_: Any) -> None:
        resolver = make_resolver(nameserver)
        chosen = _choose(account, domain)
        looked = []
        for found in chosen:
            verify_domain(found, resolver=resolver, now=timezone.now())
            row = _describe(found)
            looked.append(row)
            if as_json:
                self.stdout.write(json.dumps(row))
        if not as_json:
            Console(file=self.stdout).print(draw_domains(looked))  # type: ignore[arg-type]
        bad = sum(not row["verified"] for row in looked)
        if bad:
            raise CommandError(f"{bad} of {len(looked)} domains are not verified.")


def _describe(domain: Domain) -> DomainRow:
    places = {record.kind: record for record in all_records(domain)}
    findings = []
    for finding in _in_order(domain, places):
        place = places.get(finding["record"])
        host = finding.pop("fix_host") or (place.host if place else "")
        findings.append({**finding, "host": host, "type": place.type if place else ""})
    return {
        "account": domain.account.slug,
        "domain": domain.name,
        "verified": domain.is_verified,
        "failed_looks": domain.failed_looks,
        "findings": findings,
    }


def _in_order(domain: Domain, places: Iterable[str]) -> list[dict[str, Any]]:
    order = {kind: number for number, kind in enumerate(places)}
    names = ("record", "ok", "code", "text", "seen", "fix", "fix_host")
    rows = [{name: getattr(finding, name) for name in names} for finding in domain.findings.all()]
    return sorted(rows, key=lambda row: (order.get(row["record"], len(order)), row["record"]))


def _choose(account: str, name: str) -> list[Domain]:
    rows = Domain.objects.select_related("account").order_by("account__slug", "name")
    if account:
        rows = rows.filter(account=find_account(account))
    if name:
        rows = rows.filter(name=ascii_domain(name))
        if not rows.exists():
            raise NotFound("domain")
    return list(rows)
