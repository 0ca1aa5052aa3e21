"""From a claimed message to the mail that goes on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.addresses import Address
from campaigns.content.compile import CompiledVersion, compile_trial, compile_version
from campaigns.content.letter import Attachment, enclose
from campaigns.content.mime import MailFrame, MailRecipient
from campaigns.content.tracked import Tracked
from campaigns.domains import dkim
from campaigns.domains.dkim import Signer
from campaigns.domains.expected import RETURN_MX
from campaigns.errors import CampaignError
from campaigns.models import ContactList, Domain, Door, Lane, Purpose, Submission
from campaigns.outbox.accept import placeholder_context
from campaigns.outbox.claim import Claimed
from campaigns.outbox.sealed_files import open_files
from campaigns.outbox.tracker import Tracker, open_tracker
from campaigns.outbox.views import view_url, views_end_at
from compliance import vault


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Everything the mails of one submission share, made once."""

    submission: Submission
    compiled: CompiledVersion
    frame: MailFrame
    mail_from: str
    return_path: Address | None
    unsubscribe_base: str
    signer: Signer | None = None
    tracker: Tracker | None = None
    unsubscribe_host: str = ""
    views_end_at: int | None = None

    def track(self, message: Claimed) -> Tracked | None:
        """How this mail is tracked; None when it leaves as it was written."""
        if self.tracker is None:
            return None
        return self.tracker.track(message.public_id, address_key=message.address_key)


def make_letterhead(submission: Submission) -> Letterhead:
    """Everything of a submission's mails that leave: signed and, as far as their readers allow, tracked."""
    assert submission.sender is not None
    plain = make_plain_letterhead(submission)
    return replace(plain, signer=dkim.open_signer(submission.sender.domain), tracker=open_tracker(submission))


def make_plain_letterhead(submission: Submission) -> Letterhead:
    """Compile the content of a submission and fix its headers, for mails that are only looked at."""
    assert submission.content is not None
    assert submission.sender is not None
    account, sender = submission.account, submission.sender
    from_address = addresses.parse(sender.email)
    is_bulk = submission.purpose == Purpose.MARKETING
    # Nobody may take made-up values for somebody's own.
    is_trial = submission.door == Door.TEST and submission.lane == Lane.HIPAA
    frame = MailFrame(
        from_name=sender.name,
        from_mailbox=from_address.mailbox,
        reply_to=sender.reply_to,
        list_id=_list_id(submission, domain=from_address.domain) if is_bulk else "",
        # Right-most field constant per installation, no per-recipient value (Gmail's Feedback-ID; FB-05).
        feedback_id=f"{submission.public_id.hex[:12]}:{account.slug}:{submission.door}:{settings.FEEDBACK_SENDER_ID}",
        is_bulk=is_bulk,
        account_name=account.name,
        postal_address=account.postal_address,
    )
    return Letterhead(
        submission=submission,
        compiled=compile_trial(submission.content) if is_trial else compile_version(submission.content),
        frame=frame,
        mail_from=from_address.mailbox,
        return_path=addresses.parse(sender.domain.return_path) if sender.domain.return_path else None,
        unsubscribe_base=f"{settings.PUBLIC_URL}/u/",
        unsubscribe_host=mail_host(sender.domain, is_read=sender.unsubscribes_by_mail) if is_bulk else "",
        views_end_at=views_end_at(submission, sent_at=timezone.now()),
    )


def mail_host(domain: Domain, *, is_read: bool) -> str:
    """Where a mail that wants out may go, '' for nowhere: the host of the return path, when the sender says that such
    mail `is_read` there or its MX record was seen to lead to our own server (UN-10)."""
    path = domain.return_path
    if not path or path.lower().startswith(tokens.UNSUBSCRIBE_LOCAL):
        return ""
    comes_here = settings.INBOUND_HOST and domain.findings.filter(record=RETURN_MX, ok=True).exists()
    return addresses.parse(path).domain if is_read or comes_here else ""


def _list_id(submission: Submission, *, domain: str) -> str:
    """`Name <label.account.domain>` of the first list: stable over campaigns (RFC 2919); '' when no list is known."""
    ids = submission.options.get("lists", [])
    first = ContactList.objects.filter(pk__in=ids).order_by("pk").first()
    return f"{first.name} <{first.slug}.{submission.account.slug}.{domain}>" if first else ""


def render_message(letterhead: Letterhead, *, message: Claimed, date: datetime) -> bytes:
    """The mail for one recipient, signed; raises CampaignError when this recipient cannot be written to."""
    recipient, tracked = mail_recipient(letterhead, message), letterhead.track(message)
    enclosed = enclose(_own_files(letterhead.submission, message))
    mail = letterhead.compiled.mail(letterhead.frame, recipient, date=date, enclosed=enclosed, tracked=tracked)
    # Last, over the very bytes that leave (DK-03).
    return letterhead.signer.sign(mail) + mail if letterhead.signer else mail


def _own_files(submission: Submission, message: Claimed) -> tuple[Attachment, ...]:
    """Files of this recipient alone, as a HIPAA send may have."""
    entries = message.personal.files if message.personal is not None else ()
    return open_files(submission, entries, address_key=message.address_key) if entries else ()


def mail_recipient(letterhead: Letterhead, message: Claimed) -> MailRecipient:
    """Everything of a mail that is one recipient's; raises CampaignError when there are no values for them."""
    submission = letterhead.submission
    values = recipient_values(letterhead, message=message)
    claim = tokens.UnsubscribeClaim(submission.account_id, submission.pk, message.address_key)
    return MailRecipient(
        mailbox=wire_mailbox(message),
        values={**values, "email": message.recipient},
        # The same for every attempt: a receiver can tell a repeated delivery by it.
        message_id=f"{message.public_id.hex}@{letterhead.mail_from.rpartition('@')[2]}",
        unsubscribe_url=letterhead.unsubscribe_base + tokens.unsubscribe_token(claim),
        unsubscribe_mailbox=unsubscribe_mailbox(message, host=letterhead.unsubscribe_host),
        browser_url=_browser_url(letterhead, message) if letterhead.compiled.has_browser_link else "",
    )


def unsubscribe_mailbox(message: Claimed, *, host: str) -> str:
    """Beside the return path, with the mail's own token; '' where nobody reads such mail."""
    return f"{tokens.UNSUBSCRIBE_LOCAL}+{tokens.bounce_token(message.public_id)}@{host}" if host else ""


def _browser_url(letterhead: Letterhead, message: Claimed) -> str:
    """The page that shows this very mail; '' where there is none, and then a mail that wants it is not made."""
    if letterhead.views_end_at is None:
        return ""
    return view_url(message.public_id, expires_at=letterhead.views_end_at)


def read_mail(letterhead: Letterhead, message: Claimed) -> tuple[str, str, str]:
    """(subject, html, text) of one mail as its reader sees it, without tracking; raises CampaignError."""
    return letterhead.compiled.read(letterhead.frame, mail_recipient(letterhead, message))


def return_path(letterhead: Letterhead, message: Claimed) -> str:
    """The envelope sender: one address per message where the domain has a return path (VERP; DS-05)."""
    path = letterhead.return_path
    if path is None:
        return letterhead.mail_from
    return f"{path.local}+{tokens.bounce_token(message.public_id)}@{path.domain}"


def recipient_values(letterhead: Letterhead, *, message: Claimed) -> Mapping[str, Any]:
    """The recipient's own values: sealed with the message, or the contact's attributes as they are now."""
    if message.placeholders_sealed is not None:
        context = placeholder_context(letterhead.submission.account, message_id=str(message.public_id))
        try:
            values: dict[str, Any] = json.loads(vault.unseal(message.placeholders_sealed, **context))
        except vault.SealBroken:
            raise CampaignError("message.seal-broken", "The values of this message cannot be opened.") from None
        return values
    if message.attributes is None:
        raise CampaignError("recipient.contact-removed", "This contact was removed before the mail left.")
    return message.attributes


def wire_mailbox(message: Claimed) -> str:
    """The recipient with its domain as A-label (RFC 5890), as SMTP wants it."""
    return f"{message.recipient.rpartition('@')[0]}@{message.recipient_domain}"
