"""Look at the DNS records of sending domains."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from campaigns.accounts.tenancy import find_account, find_domain
from campaigns.addresses import ascii_domain
from campaigns.domains.lookup import make_resolver
from campaigns.domains.verification import verify_domain
from campaigns.management.base import RoomCommand
from campaigns.models import Domain


class Command(RoomCommand):
    help = "Check the DNS records of every sending domain, or of one account's, and say what is wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", nargs="?", default="", help="Short name of an account; all when left out.")
        parser.add_argument("--domain", default="", help="Only this domain of the account.")
        parser.add_argument("--nameserver", default="", help="Ask this one, such as 9.9.9.9 or 127.0.0.1:5353.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, account: str, domain: str, nameserver: str, as_json: bool, **_: Any) -> None:
        resolver = make_resolver(nameserver)
        for found in _choose(account, domain):
            verified = verify_domain(found, resolver=resolver, now=timezone.now())
            rows = list(found.findings.order_by("-record").values("record", "ok", "code", "text"))
            if as_json:
                line = {"account": found.account.slug, "domain": found.name, "verified": verified, "findings": rows}
                self.stdout.write(json.dumps(line))
                continue
            self.stdout.write(f"{found.name}: {'verified' if verified else 'not verified'} ({found.account.slug})")
            for row in rows:
                self.stdout.write(f"  {'ok' if row['ok'] else '--'} {row['record']}: {row['text']}")


def _choose(account: str, domain: str) -> list[Domain]:
    if domain and not account:
        raise CommandError("--domain needs the account the domain belongs to.")
    if domain:
        return [find_domain(find_account(account), ascii_domain(domain))]
    rows = Domain.objects.select_related("account").order_by("account__slug", "name")
    return list(rows.filter(account=find_account(account)) if account else rows)
