"""Requests known again: the same key with the same body gets the first answer, with another body it is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction

from campaigns.errors import CampaignError
from campaigns.models import Account, RequestKey
from compliance import vault

KEPT = timedelta(hours=48)


def answer_once(
    account: Account, *, keys: Sequence[str], body: bytes, make: Callable[[], bytes], in_sandbox: bool = False
) -> bytes:
    """The answer of `make`, run in one transaction with the note that it was; the first answer for a repetition.

    What was tried `in_sandbox` repeats nothing that was sent, nor the other way round: else the try of an order's mail
    would swallow the mail.

    Raises CampaignError `request.key-reused` with status 409 when one of the keys was used for another body.
    """
    if not keys:
        return make()
    digest = hashlib.sha256(body).hexdigest()
    names = sorted({_digest(account, f"sandbox {key}" if in_sandbox else key) for key in keys})
    if (found := _find(account, names, digest)) is not None:
        return found
    try:
        with transaction.atomic():
            answer = make()
            sealed = {name: vault.seal(answer, **_context(account, name)) for name in names}
            RequestKey.objects.bulk_create(
                [
                    RequestKey(account=account, key=name, body_digest=digest, answer_sealed=sealed[name])
                    for name in names
                ]
            )
            return answer
    except IntegrityError:
        # Somebody else brought the same at the same time; what they stored is there by now.
        if (found := _find(account, names, digest)) is not None:
            return found
        raise


def _find(account: Account, names: Sequence[str], digest: str) -> bytes | None:
    known = list(RequestKey.objects.filter(account=account, key__in=names))
    if not known:
        return None
    if len(known) < len(names) or any(row.body_digest != digest for row in known):
        raise CampaignError(
            "request.key-reused",
            "An id or key of this request was used for another request.",
            action="Use new ids for a new request; repeat a request word for word.",
            status=409,
        )
    first = known[0]
    return vault.unseal(bytes(first.answer_sealed), **_context(account, first.key))


def _digest(account: Account, key: str) -> str:
    message = account.public_id.bytes + b"\0" + key.encode("utf-8", "surrogatepass")
    digest = hmac.digest(settings.KEY_RING.token, b"request\0" + message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest)[:-1].decode("ascii")


def _context(account: Account, name: str) -> dict[str, str]:
    return {"account": str(account.public_id), "thing": "request", "id": name, "field": "answer"}


def forget_old(*, now: datetime) -> int:
    """Forget requests older than two days; returns how many keys."""
    count, _ = RequestKey.objects.filter(created_at__lt=now - KEPT).delete()
    return count
