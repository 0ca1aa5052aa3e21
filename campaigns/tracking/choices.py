"""The preference page: what a person behind a token sees, and the changes they make there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from campaigns import tokens
from campaigns.audiences import preferences
from campaigns.audiences.choices import choose_tracking
from campaigns.audiences.choices import read_choices as read_tracking
from campaigns.audiences.preferences import Preferences
from campaigns.errors import NotFound
from campaigns.models import Account, BaaStatus, Frequency, LeavingReason, TrackingLevel
from campaigns.tracking.unsubscribe import lists_of


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who came by a link of a mail: an account's reader, known by the key of their address alone."""

    account: Account
    submission_id: int
    address_key: str
    list_ids: tuple[int, ...]


def read_visitor(token: str) -> Visitor:
    """The visitor behind an unsubscribe token; raises NotFound for one that is not ours."""
    claim = tokens.read_unsubscribe_token(token)
    account = Account.objects.filter(pk=claim.account_id).first() if claim else None
    if claim is None or account is None:
        raise NotFound("page")
    lists = lists_of(claim.submission_id, account=account)
    return Visitor(account, claim.submission_id, claim.address_key, tuple(row.pk for row in lists))


@dataclass(frozen=True, slots=True)
class Choices:
    """What the page shows: lists and frequency, and what may be known of opens and clicks (LA-04).

    `tracking` is None where the account's mail is not tracked at all; who was never asked sees what holds for them.
    """

    mail: Preferences
    tracking: TrackingLevel | None


def read_choices(visitor: Visitor) -> Choices:
    """What they chose so far."""
    mail = preferences.read_preferences(visitor.account, address_key=visitor.address_key, also=visitor.list_ids)
    return Choices(mail, _read_tracking(visitor))


def _read_tracking(visitor: Visitor) -> TrackingLevel | None:
    account = visitor.account
    if account.baa_status != BaaStatus.NONE or not max(account.tracking, account.tracking_transactional):
        return None
    chosen = read_tracking(account.pk, keys=[visitor.address_key]).get(visitor.address_key)
    if chosen is not None:
        return TrackingLevel(chosen)
    return TrackingLevel.AGGREGATE if account.tracking_needs_consent else TrackingLevel.INDIVIDUAL


def save_choices(
    visitor: Visitor, *, public_ids: Collection[str], frequency: int, tracking: int | None = None, now: datetime
) -> None:
    """Join and leave lists by their public ids, choose how often, and what may be known of opens and clicks."""
    before = read_choices(visitor)
    shown = {str(choice.list.public_id): choice.list.pk for choice in before.mail.lists}
    wanted = {shown[public_id] for public_id in public_ids if public_id in shown}
    known = frequency if frequency in Frequency.values else Frequency.EVERY
    preferences.change_preferences(
        visitor.account,
        address_key=visitor.address_key,
        list_ids=wanted,
        shown=list(shown.values()),
        frequency=Frequency(known),
        now=now,
    )
    # What was not touched stays what nobody was asked about.
    if tracking in TrackingLevel.values and before.tracking is not None and tracking != before.tracking:
        level = TrackingLevel(tracking)
        key = visitor.address_key
        choose_tracking(visitor.account.pk, address_key=key, level=level, now=now, source=preferences.SOURCE)


def stop_everything(visitor: Visitor, *, now: datetime) -> None:
    """No marketing at all any more."""
    preferences.stop_marketing(visitor.account, address_key=visitor.address_key, now=now)


def say_why(visitor: Visitor, *, reason: str) -> None:
    """Why somebody left; what is none of the reasons is not kept."""
    if reason in LeavingReason.values:
        known = visitor.submission_id if visitor.list_ids else None
        preferences.note_goodbye(visitor.account, submission_id=known, reason=LeavingReason(reason))
