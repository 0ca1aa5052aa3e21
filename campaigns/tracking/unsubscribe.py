"""Unsubscribing by the link or header of a mail (RFC 8058): works for ever, twice, and without the mail's rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from campaigns import tokens
from campaigns.audiences import consent, suppression
from campaigns.errors import NotFound
from campaigns.models import (
    Account,
    ContactList,
    Event,
    EventKind,
    LandingPage,
    Message,
    Submission,
    Suppression,
    SuppressionScope,
    UnsubscribeLevel,
)
from campaigns.outbox.payload import open_landing
from campaigns.outbox.tracker import is_allowed
from campaigns.webhooks import bell


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of the account's own on the page; an empty one is the usual, no language the account's."""

    text: str = ""
    heading: str = ""
    button: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class UnsubscribePage:
    """What the person sees: names only, never their address. `lists` are what they can leave alone: lists, or a sender.

    Without any only all marketing can be stopped.
    """

    account: Account
    account_name: str
    lists: tuple[str, ...]
    lists_stopped: bool
    marketing_stopped: bool
    wording: Wording = Wording()


@dataclass(frozen=True, slots=True)
class _Claim:
    account: Account
    submission_id: int
    address_key: str
    lists: Sequence[ContactList]
    # The address or domain that mail to no list can be left of, alone.
    sender: str = ""


def read_claim(token: str) -> UnsubscribePage:
    """The page of a token, without changing anything; raises NotFound for one that is not ours."""
    claim = _read(token)
    rows = Suppression.objects.filter(account=claim.account, address_key=claim.address_key)
    found = set(rows.values_list("scope", "list_id", "sender"))
    alone = {SuppressionScope.LIST, SuppressionScope.SENDER}
    marketing = any(scope not in alone for scope, *_ in found)
    stopped = {list_id for _, list_id, _ in found}
    left = bool(claim.sender) and claim.sender in {sender for *_, sender in found}
    return UnsubscribePage(
        account=claim.account,
        account_name=claim.account.name,
        lists=tuple(entry.name for entry in claim.lists) or ((claim.sender,) if claim.sender else ()),
        lists_stopped=marketing or left or (bool(claim.lists) and all(entry.pk in stopped for entry in claim.lists)),
        marketing_stopped=marketing,
        wording=_read_wording(claim),
    )


_NAME = re.compile(r"\{\{\s*([^{}\s][^{}]{0,200}?)\s*\}\}")


def _read_wording(claim: _Claim) -> Wording:
    """The words of the page its request chose, else the account's, with what it gave for the names in them.

    (Infobip's optoutLandingPageId and landingPagePlaceholders.) A campaign may choose a page, too; under HIPAA there is neither.
    """
    rows = Submission.objects.select_related("account").defer("payload_sealed")
    submission = rows.filter(pk=claim.submission_id, account=claim.account).first()
    if submission is not None and not is_allowed(submission):
        submission = None
    page = _chosen_page(submission) if submission is not None else None
    wording = _wording_of(page) if page is not None else Wording(text=claim.account.unsubscribe_text)
    if not (_NAME.search(wording.text) or _NAME.search(wording.heading)):
        return wording
    values = open_landing(submission) if submission is not None else {}

    def write(text: str) -> str:
        return _NAME.sub(lambda found: _text_of(values.get(found[1])), text)

    return replace(wording, text=write(wording.text), heading=write(wording.heading).strip())


def has_stray_braces(text: str) -> bool:
    """Whether readers would see braces: those of a name that is not closed, not begun, or empty."""
    rest = _NAME.sub("", text)
    return "{{" in rest or "}}" in rest


def _chosen_page(submission: Submission) -> LandingPage | None:
    """None as well for one that was deleted since."""
    chosen = submission.options.get("landing_page")
    return LandingPage.objects.filter(account=submission.account_id, pk=chosen).first() if chosen else None


def _wording_of(page: LandingPage) -> Wording:
    return Wording(page.text, page.heading, page.button, page.language)


def preview_page(page: LandingPage) -> UnsubscribePage:
    """The page as somebody on a list would see it; names that requests give values for stand as they are."""
    names = tuple(page.account.lists.order_by("pk").values_list("name", flat=True)[:1])
    return UnsubscribePage(
        account=page.account,
        account_name=page.account.name,
        lists=names,
        lists_stopped=False,
        marketing_stopped=False,
        wording=_wording_of(page),
    )


def _text_of(value: object) -> str:
    return str(value) if isinstance(value, str | int | float) else ""


def unsubscribe(token: str, *, all_marketing: bool, now: datetime) -> None:
    """Stop mail to the token's person from the lists it was sent to, or all marketing; raises NotFound.

    Mail to no list is left at the level of its domain. Where neither is known any more it is all marketing: the person
    asked for silence.
    """
    claim = _read(token)
    with transaction.atomic():
        if claim.sender and not all_marketing:
            consent.unsubscribe_sender(claim.account.pk, address_key=claim.address_key, sender=claim.sender)
        elif all_marketing or not claim.lists:
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
    lists = lists_of(claim.submission_id, account=account)
    sender = "" if lists else _sender_of(claim.submission_id, account=account)
    return _Claim(account, claim.submission_id, claim.address_key, lists, sender)


def _sender_of(submission_id: int, *, account: Account) -> str:
    """What its mail can be left of, by the level of its domain; '' where that is everything."""
    rows = Submission.objects.select_related("domain", "sender__domain").defer("payload_sealed")
    submission = rows.filter(pk=submission_id, account=account).first()
    domain = submission.sending_domain if submission is not None else None
    if submission is None or domain is None or not submission.sender_address:
        return ""
    address, host = suppression.sender_names(submission.sender_address)
    names = {UnsubscribeLevel.SENDER: address, UnsubscribeLevel.DOMAIN: host}
    return names.get(UnsubscribeLevel(domain.unsubscribe_level), "")


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
