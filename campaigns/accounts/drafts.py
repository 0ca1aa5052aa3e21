"""What somebody was typing when they were signed out: kept sealed for a day, and offered again on the same page."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from campaigns.models import KeptDraft
from compliance import vault

KEPT_FOR = timedelta(days=1)
_MOST_BYTES = 1_000_000
_LONGEST_PATH = 300
# Never kept: what opens something, and what belongs to the form rather than the person.
_SECRET = ("password", "code", "secret", "token", "csrf")

Fields = Mapping[str, list[str]]


def keep_draft(user: AbstractBaseUser, *, path: str, fields: Iterable[tuple[str, list[str]]], now: datetime) -> bool:
    """Keep the fields of a form, without passwords and codes; False when there is nothing to keep, or too much."""
    kept = {name: values for name, values in fields if not any(word in name.lower() for word in _SECRET)}
    text = json.dumps(kept).encode()
    if not any(any(values) for values in kept.values()) or len(text) > _MOST_BYTES or len(path) > _LONGEST_PATH:
        return False
    scope = vault.until("", now + KEPT_FOR)
    sealed = vault.seal(text, scope, **_context(user, path))
    KeptDraft.objects.update_or_create(user_id=user.pk, path=path, defaults={"fields_sealed": sealed, "kept_at": now})
    return True


def find_draft(user: AbstractBaseUser | AnonymousUser, *, path: str, now: datetime) -> tuple[datetime, Fields] | None:
    """When something was kept for this page and what, or None."""
    row = KeptDraft.objects.filter(user=user.pk, path=path, kept_at__gt=now - KEPT_FOR).first()
    if row is None:
        return None
    try:
        return row.kept_at, json.loads(vault.unseal(bytes(row.fields_sealed), **_context(user, path)))
    except vault.SealBroken:
        return None


def forget_draft(user: AbstractBaseUser, *, path: str) -> None:
    """The person took it, or does not want it."""
    KeptDraft.objects.filter(user=user.pk, path=path).delete()


def forget_old(*, now: datetime) -> int:
    """Delete what nobody came back for; returns how many."""
    return KeptDraft.objects.filter(kept_at__lte=now - KEPT_FOR).delete()[0]


def _context(user: AbstractBaseUser | AnonymousUser, path: str) -> dict[str, str]:
    return {"thing": "draft", "id": str(user.pk), "field": path}
