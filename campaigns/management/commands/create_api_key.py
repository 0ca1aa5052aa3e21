"""Make a program's key and show it once."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import get_current_timezone, is_naive

from campaigns.accounts.keys import SCOPES, create_key
from campaigns.accounts.tenancy import find_account
from campaigns.management.base import RoomCommand
from campaigns.models import Lane, Purpose


class Command(RoomCommand):
    help = "Make an API key of an account. It is printed once; only a hash of it is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("account", help="Short name of the account.")
        parser.add_argument("--name", required=True, help="Which program it is for.")
        parser.add_argument("--scopes", required=True, help=f"Joined by commas: {', '.join(SCOPES)}.")
        parser.add_argument("--lane", choices=Lane.values, default=Lane.STANDARD)
        parser.add_argument("--purpose", choices=Purpose.values, default=Purpose.TRANSACTIONAL)
        parser.add_argument("--network", action="append", default=[], help="CIDR it may be used from; repeatable.")
        parser.add_argument("--expires", type=datetime.fromisoformat, help="ISO 8601; UTC unless it says otherwise.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, account: str, scopes: str, expires: datetime | None, as_json: bool, **given: Any) -> None:
        names = [name.strip() for name in scopes.split(",") if name.strip()]
        if expires is not None and is_naive(expires):
            expires = expires.replace(tzinfo=get_current_timezone())
        chosen = {name: given[name] for name in ("name", "lane", "purpose")} | {"networks": given["network"]}
        key, text = create_key(find_account(account), scopes=names, expires_at=expires, **chosen)
        ends = key.expires_at.isoformat() if key.expires_at else None
        made = {"key": text, "prefix": key.prefix, "lane": key.lane, "scopes": key.scopes, "expires_at": ends}
        self.stdout.write(json.dumps(made) if as_json else text)
        if not as_json:
            self.stderr.write("Keep it now: it is not shown again.")
