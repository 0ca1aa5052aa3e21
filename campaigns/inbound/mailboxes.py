"""Mailboxes that bounces arrive in: which are due, and reading what is new. Nothing leaves one before it is recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q

from campaigns.inbound.clients import Client, MailboxTrouble, Place, open_mailbox
from campaigns.inbound.oauth import refresh_token
from campaigns.inbound.record import Recorded, Result, record_bounce
from campaigns.models import BounceMailbox, MailboxLogin, MailboxMail
from compliance import vault

EVERY = timedelta(minutes=5)
# A mailbox in trouble is asked less often: some servers lock out who keeps trying a wrong password.
AFTER_TROUBLE = timedelta(minutes=30)
BUDGET_SECONDS = 45.0
TEST_SECONDS = 15.0
MOST_MAILS = 500  # at one look; the others wait for the next
_LEASE = timedelta(minutes=3)


@dataclass(slots=True)
class Look:
    """What one look at a mailbox came to; `more` when others wait to be read."""

    read: int = 0
    recorded: int = 0
    more: bool = False


# --- Settings ---------------------------------------------------------------------------------------


def read_secrets(mailbox: BounceMailbox) -> dict[str, Any]:
    """Password or OAuth secrets, opened; raises MailboxTrouble when they cannot be."""
    if not mailbox.secrets_sealed:
        return {}
    try:
        found: dict[str, Any] = json.loads(vault.unseal(bytes(mailbox.secrets_sealed), **_context(mailbox)))
    except (vault.SealBroken, ValueError):
        text = "The stored password cannot be opened with the keys of this installation."
        raise MailboxTrouble("mailbox.seal-broken", text, action="Enter it again.") from None
    return found


def seal_secrets(mailbox: BounceMailbox, *, secrets: Mapping[str, Any]) -> bytes:
    """Secrets as stored in the mailbox's row."""
    return vault.seal(json.dumps(secrets).encode(), **_context(mailbox))


def _context(mailbox: BounceMailbox) -> dict[str, str]:
    account = str(mailbox.account.public_id)
    return {"account": account, "thing": "bounce-mailbox", "id": str(mailbox.public_id), "field": "secrets"}


def _make_place(mailbox: BounceMailbox, *, now: datetime) -> Place:
    secrets = read_secrets(mailbox)
    token = None
    if mailbox.login != MailboxLogin.PASSWORD:
        fresh = refresh_token(mailbox.login, secrets, now=now)
        if fresh != secrets:
            sealed = seal_secrets(mailbox, secrets=fresh)
            BounceMailbox.objects.filter(pk=mailbox.pk).update(secrets_sealed=sealed)
        token = str(fresh["access_token"])
    return Place(
        host=mailbox.host,
        port=mailbox.port,
        starts_tls=mailbox.starts_tls,
        username=mailbox.username,
        password=str(secrets.get("password", "")),
        token=token,
        folder=mailbox.folder,
    )


# --- Looking ----------------------------------------------------------------------------------------


def find_due(*, now: datetime) -> list[int]:
    """The mailboxes to look at now."""
    rested = Q(trouble="", looked_at__lte=now - EVERY) | Q(looked_at__lte=now - AFTER_TROUBLE)
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    due = BounceMailbox.objects.filter(free, Q(looked_at=None) | rested, is_active=True)
    return list(due.order_by("looked_at", "pk").values_list("pk", flat=True))


def look_into(mailbox_id: int, *, now: datetime) -> Look | None:
    """Read what is new in a mailbox and record it; what keeps us out is written into its row.

    None when somebody else looks at this moment, or it is gone. Safe to run twice.
    """
    mine = BounceMailbox.objects.filter(Q(lease_until=None) | Q(lease_until__lte=now), pk=mailbox_id)
    # Whoever changes the row first looks; everybody else matches nothing.
    if mine.update(lease_until=now + _LEASE) != 1:
        return None
    mailbox = BounceMailbox.objects.select_related("account").get(pk=mailbox_id)
    look, trouble = Look(), ""
    try:
        with open_mailbox(mailbox.kind, _make_place(mailbox, now=now), seconds=BUDGET_SECONDS) as client:
            _read_new(mailbox, client, look, now=now)
    except MailboxTrouble as error:
        trouble = f"{error.safe_text} {error.action}".strip()[:200]
    worked = {} if trouble else {"worked_at": now}
    counts = {"read_count": F("read_count") + look.read, "recorded_count": F("recorded_count") + look.recorded}
    rows = BounceMailbox.objects.filter(pk=mailbox_id)
    rows.update(lease_until=None, looked_at=now, trouble=trouble, **worked, **counts)
    return look


def try_mailbox(mailbox: BounceMailbox, *, now: datetime) -> int:
    """Log in and count what is new, without reading any of it; raises MailboxTrouble."""
    with open_mailbox(mailbox.kind, _make_place(mailbox, now=now), seconds=TEST_SECONDS) as client:
        return len(_find_new(mailbox, client))


def _find_new(mailbox: BounceMailbox, client: Client) -> list[str]:
    # Another validity: the server has numbered the mails anew.
    after = mailbox.last_uid if client.validity == mailbox.uid_validity else 0
    return client.find_new(after=after, seen=set(mailbox.seen.values_list("uid", flat=True)))


def _read_new(mailbox: BounceMailbox, client: Client, look: Look, *, now: datetime) -> None:
    new = _find_new(mailbox, client)
    _forget_gone(mailbox, client)
    until = time.monotonic() + BUDGET_SECONDS * 0.8
    for uid in new[:MOST_MAILS]:
        if time.monotonic() > until:
            look.more = True
            return
        # The envelope is gone; the mail's own headers have what there is of it.
        recorded = record_bounce(client.read(uid), envelope_to="", now=now, account=mailbox.account)
        if recorded.result == Result.LATER:
            # In order: this one is the first of the next look, and nothing behind it counts as read.
            return
        look.read += 1
        look.recorded += recorded.result == Result.RECORDED
        _note_read(mailbox, client, uid, removes=mailbox.deletes and _is_done(recorded))
    look.more = len(new) > MOST_MAILS


def _is_done(recorded: Recorded) -> bool:
    """Ours, recorded, and clear: what nobody understood, or is no report about our mail, is left for people."""
    return recorded.result in {Result.RECORDED, Result.NOTHING} and not recorded.needs_eyes


def _note_read(mailbox: BounceMailbox, client: Client, uid: str, *, removes: bool) -> None:
    if client.validity:
        changes = {"uid_validity": client.validity, "last_uid": int(uid)}
        BounceMailbox.objects.filter(pk=mailbox.pk).update(**changes)
    elif not removes:
        MailboxMail.objects.get_or_create(mailbox=mailbox, uid=uid)
    if removes:
        client.remove(uid)


def _forget_gone(mailbox: BounceMailbox, client: Client) -> None:
    """Rows of mails that others took out of the mailbox are of no use any more."""
    if client.present is not None:
        gone = set(mailbox.seen.values_list("uid", flat=True)) - client.present
        mailbox.seen.filter(uid__in=gone).delete()
