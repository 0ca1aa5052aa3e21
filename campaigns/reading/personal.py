"""One mail in a browser, for whoever holds its link: what its reader sees, as long as the link and the reader are there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns import tokens
from campaigns.content.mail_reading import read_mail
from campaigns.errors import CampaignError, NotFound
from campaigns.models import API_DOORS, Account, Door, KeptMail, Message
from campaigns.outbox import render
from campaigns.outbox.claim import Claimed
from campaigns.outbox.tracker import is_allowed
from campaigns.reading.document import make_document
from campaigns.storage.finding import open_copy

_DOORS = (Door.CAMPAIGN, Door.TEST, *API_DOORS)


@dataclass(frozen=True, slots=True, repr=False)
class View:
    """A mail as a document, and whose readers it is for."""

    account: Account
    document: str


def open_view(token: str, *, now: datetime) -> View:
    """The mail behind a link; raises NotFound, alike for a link that is not ours, is over, or whose reader is gone.

    Nothing under HIPAA is ever shown by a link, whatever the account was when the mail left.
    """
    claim = tokens.read_view_token(token, now=now.timestamp())
    if claim is None:
        raise NotFound("page")
    message = (
        Message.objects.select_related(
            "contact", "submission__account", "submission__content__template", "submission__sender__domain"
        )
        .filter(public_id=claim.message, submission__door__in=_DOORS)
        .first()
    )
    # Erasure empties the address; deleting a contact takes away whose mail it was.
    if message is None or not message.recipient or not is_allowed(message.submission):
        raise NotFound("page")
    try:
        subject, html, text = _read_copy(message) if message.submission.door in API_DOORS else _make_again(message)
    except CampaignError:
        raise NotFound("page") from None
    return View(message.submission.account, make_document(subject, html=html, text=text))


def _read_copy(message: Message) -> tuple[str, str, str]:
    """The content of a program's mail is gone once it has left, but for the copy in active storage."""
    kept = KeptMail.objects.select_related("account").filter(
        account=message.submission.account_id, public_id=message.public_id, sealed__isnull=False
    )
    found = kept.first()
    if found is None:
        raise NotFound("page")
    mail = read_mail(open_copy(found))
    return mail.subject, mail.html, mail.text


def _make_again(message: Message) -> tuple[str, str, str]:
    """A campaign's mail with the values its reader has now."""
    letterhead = render.make_plain_letterhead(message.submission)
    return render.read_mail(letterhead, _read(message))


def _read(message: Message) -> Claimed:
    sealed = message.placeholders_sealed
    return Claimed(
        id=message.pk,
        public_id=message.public_id,
        contact_id=message.contact_id,
        recipient=message.recipient,
        recipient_domain=message.recipient_domain,
        address_key=message.address_key,
        attempts=message.attempts,
        placeholders_sealed=bytes(sealed) if sealed is not None else None,
        attributes=message.contact.attributes if message.contact is not None else None,
        submission_id=message.submission_id,
    )
