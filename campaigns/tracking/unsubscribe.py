"""Unsubscribing by the link or header of a mail (RFC 8058): works for ever, twice, and without the mail's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from campaigns import tokens
from campaigns.audiences import consent
from campaigns.errors import NotFound
from campaigns.models import Account, ContactList, Event, EventKind, Message, Submission, Suppression, SuppressionScope
from campaigns.webhooks import bell


@dataclass(frozen=True, slots=True)
class UnsubscribePage:
    """What the person sees: names only, never an address. Without lists only all marketing can be stopped."""

    account: Account
    account_name: str
    lists: tuple[str, ...]
    lists_stopped: bool
    marketing_stopped: bool


@dataclass(frozen=True, slots=True)
class _Claim:
    account: Account
    submission_id: int
    address_key: str
    lists: Sequence[ContactList]


def read_claim(token: str) -> UnsubscribePage:
    """The page of a token, without changing anything; raises NotFound for one that is not ours."""
    claim = _read(token)
    found = set(
        Suppression.objects.filter(account=claim.account, address_key=claim.address_key).values_list("scope", "list_id")
    )
    marketing = any(scope != SuppressionScope.LIST for scope, _ in found)
    stopped = {list_id for _, list_id in found}
    return UnsubscribePage(
        account=claim.account,
        account_name=claim.account.name,
        lists=tuple(entry.name for entry in claim.lists),
        lists_stopped=marketing or (bool(claim.lists) and all(entry.pk in stopped for entry in claim.lists)),
        marketing_stopped=marketing,
    )


def unsubscribe(token: str, *, all_marketing: bool, now: datetime) -> None:
    """Stop mail to the token's person from the lists it was sent to, or all marketing; raises NotFound.

    Where the lists are no longer known it is all marketing: the person asked for silence.
    """
    claim = _read(token)
    with transaction.atomic():
        if all_marketing or not claim.lists:
            consent.unsubscribe_marketing(claim.account.pk, address_key=claim.address_key, now=now)
        if claim.lists:
            ids = [entry.pk for entry in claim.lists]
            consent.unsubscribe_lists(claim.account.pk, address_key=claim.address_key, list_ids=ids, now=now)
        _record_event(claim, now=now)


def _read(token: str) -> _Claim:
    claim = tokens.read_unsubscribe_token(token)
    account = Account.objects.filter(pk=claim.account_id).first() if claim else None
    if claim is None or account is None:
        raise NotFound("page")
    return _Claim(account, claim.submission_id, claim.address_key, lists_of(claim.submission_id, account=account))


def lists_of(submission_id: int, *, account: Account) -> Sequence[ContactList]:
    """The lists a submission was planned from; its campaign's when it froze none."""
    submission = Submission.objects.filter(pk=submission_id, account=account).first()
    if submission is None:
        return ()
    frozen = submission.options.get("lists")
    if frozen is not None:
        return tuple(ContactList.objects.filter(account=account, pk__in=frozen))
    return tuple(submission.campaign.lists.filter(account=account)) if submission.campaign else ()


def _record_event(claim: _Claim, *, now: datetime) -> None:
    # The row lock makes a double click one event; the sender of this message never waits for it long.
    message = (
        Message.objects.select_for_update(of=("self",), no_key=True)
        .filter(submission=claim.submission_id, submission__account=claim.account, address_key=claim.address_key)
        .first()
    )
    if message and not message.events.filter(kind=EventKind.UNSUBSCRIBED).exists():
        Event.objects.create(message=message, kind=EventKind.UNSUBSCRIBED, at=now)
        bell.note_news(claim.account.pk)
