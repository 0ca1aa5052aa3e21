"""Self-checks that are kept: once a year by itself, and whenever an operator says so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from campaigns.models import Account, BaaStatus
from compliance import audit
from compliance.audit import SYSTEM, Ref
from compliance.models import SelfCheck
from compliance.oversight import selfcheck
from compliance.oversight.selfcheck import Result

EVERY = timedelta(days=365)


def keep_yearly(*, now: datetime) -> SelfCheck | None:
    """Run and keep one when an account is under an agreement and the last one is a year old; None when it is not time."""
    if not Account.objects.exclude(baa_status=BaaStatus.NONE).exists():
        return None
    if SelfCheck.objects.filter(at__gt=now - EVERY).exists():
        return None
    return keep(selfcheck.run(now=now), actor=SYSTEM, now=now)


def keep(results: list[Result], *, actor: Ref, now: datetime) -> SelfCheck:
    """Keep what was found, as evidence that it was looked at, failing or not."""
    with transaction.atomic():
        failing = sum(not result.is_ok for result in results)
        made = SelfCheck.objects.create(
            at=now, controls=[as_row(result) for result in results], passed=len(results) - failing, failing=failing
        )
        data = {"passed": made.passed, "failing": failing}
        audit.record("selfcheck.kept", owner="", actor=actor, about=Ref("self-check", str(made.pk)), data=data, now=now)
    return made


def as_row(result: Result) -> dict[str, Any]:
    """One control as programs read it."""
    return {
        "id": result.id, "title": result.title, "citation": result.citation, "ok": result.is_ok, "why": result.why,
    }  # fmt: skip
