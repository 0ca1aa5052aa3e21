"""Requests of the test console: kept sealed for two days, with the mails that came of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q

from campaigns.models import API_DOORS, Account, Message, Trial
from campaigns.outbox import sandboxes
from compliance import vault

KEPT = timedelta(days=2)
_MOST_SHOWN = 25


@dataclass(frozen=True, slots=True, repr=False)
class Exchange:
    """One request and its answer as on the wire, but for the key; `form` is what it was written from, to change it."""

    path: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    milliseconds: float
    form: Mapping[str, Any]

    def told_ids(self) -> list[str]:
        """The ids of mails the answer names; none when it is no answer of the kind."""
        try:
            told = json.loads(self.body)["messages"]
            return [str(entry["messageId"]) for entry in told]
        except (ValueError, KeyError, TypeError):
            return []


def keep_trial(account: Account, exchange: Exchange, *, by: AbstractBaseUser | AnonymousUser) -> Trial:
    """The exchange as a row that ends by itself."""
    trial = Trial(account=account, created_by_id=by.pk, path=exchange.path, status=exchange.status)
    text = json.dumps(asdict(exchange), ensure_ascii=False).encode("utf-8", "replace")
    trial.exchange_sealed = vault.seal(text, **_context(trial))
    trial.save()
    return trial


def open_trial(trial: Trial) -> Exchange:
    """What was sent and what came back; raises vault.SealBroken."""
    given: dict[str, Any] = json.loads(vault.unseal(bytes(trial.exchange_sealed), **_context(trial)))
    for name in ("request_headers", "headers"):
        given[name] = tuple((key, value) for key, value in given[name])
    return Exchange(**given)


def find_messages(trial: Trial, told: Sequence[str]) -> list[Message]:
    """The mails the sandbox has by these ids, in their order; of several with one id the newest, and a few at most."""
    wanted = list(dict.fromkeys(told))[:_MOST_SHOWN]
    numbers = [number for number in map(_as_uuid, wanted) if number is not None]
    rows = (
        Message.objects.filter(
            Q(public_id__in=numbers, client_id="") | Q(client_id__in=wanted),
            submission__account=trial.account_id,
            submission__door__in=API_DOORS,
            submission__transport__kind=sandboxes.KIND,
        )
        .select_related("submission")
        .defer("placeholders_sealed", "submission__payload_sealed", "submission__webhook_sealed")
    )
    found = {message.client_id or str(message.public_id): message for message in rows.order_by("pk")}
    return [found[name] for name in wanted if name in found]


def forget_old(*, now: datetime) -> int:
    """Delete what is older than two days; returns how many."""
    count, _ = Trial.objects.filter(created_at__lt=now - KEPT).delete()
    return count


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _context(trial: Trial) -> dict[str, str]:
    return {
        "account": str(trial.account.public_id), "thing": "trial", "id": str(trial.public_id), "field": "exchange",
    }  # fmt: skip
