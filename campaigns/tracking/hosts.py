"""Hosts that only links and pictures of mails lead to: each proved domain may have one of its own."""

from __future__ import annotations

import threading
import time
from collections import defaultdict

from django.db import DatabaseError

from campaigns.models import Domain

_FRESH = 30.0  # seconds a look at the table holds
_NOBODY: frozenset[int] = frozenset()


class _Hosts:
    """The accounts behind each host, as of the last look; a database that is away changes nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, frozenset[int]] = {}
        self._looked_at: float | None = None

    def find(self, host: str) -> frozenset[int]:
        """The accounts whose mails lead to this host (lower case, without a port); nobody for any other."""
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at > _FRESH:
            with self._lock:
                self._looked_at = now
                self._look()
        return self._known.get(host, _NOBODY)

    def _look(self) -> None:
        found: dict[str, set[int]] = defaultdict(set)
        rows = Domain.objects.exclude(tracking_host="").filter(verified_at__isnull=False)
        try:
            for host, account_id in rows.values_list("tracking_host", "account_id"):
                found[host.lower()].add(account_id)
        except DatabaseError:
            return
        self._known = {host: frozenset(accounts) for host, accounts in found.items()}

    def forget(self) -> None:
        self._looked_at = None


_HOSTS = _Hosts()
find_host_accounts = _HOSTS.find
forget_hosts = _HOSTS.forget
"""Look again at the next question; for whoever has just changed one, and for tests."""
