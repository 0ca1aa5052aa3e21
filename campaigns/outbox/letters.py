"""Mails of API and SMTP requests: from the sealed payload to what leaves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils import timezone

from campaigns import addresses, filetypes, tokens
from campaigns.content.compile import compile_version
from campaigns.content.letter import Attachment, LetterDraft, compile_letter, enclose
from campaigns.content.masking import mask_values
from campaigns.content.mime import MailFrame, MailRecipient, unsubscribe_headers
from campaigns.content.tracked import Tracked
from campaigns.delivery.base import EnclosedFile, OutgoingEmail, SharedContent
from campaigns.domains import dkim
from campaigns.errors import CampaignError
from campaigns.models import Purpose, Submission
from campaigns.outbox import render
from campaigns.outbox.claim import Claimed
from campaigns.outbox.delivery_news import is_in_doubt
from campaigns.outbox.payload import Heading, Payload, Personal, open_payload, open_personal
from campaigns.outbox.render_content import read_headers
from campaigns.outbox.tracker import Tracker, open_tracker
from campaigns.outbox.views import view_url, views_end_at
from compliance.facts import AttachmentFacts


class LetterPen:
    """Writes the mails of one API or SMTP request."""

    def __init__(self, submission: Submission, *, takes_content: bool) -> None:
        """Raises CampaignError when no mail of the request can be made at all."""
        self._submission, self._takes_content = submission, takes_content
        self._payload = open_payload(submission)
        self._writer = _open_writer(submission, self._payload)
        domain = submission.sending_domain
        self.tracker = self._writer.tracker = open_tracker(submission) if not self._payload.raw else None
        self._signer = dkim.open_signer(domain) if domain is not None and not takes_content else None
        self._return_path = addresses.parse(domain.return_path) if domain is not None and domain.return_path else None
        self.has_unsubscribe_link = self._writer.has_unsubscribe_link
        self.has_postal_address = self._writer.has_postal_address

    @cached_property
    def attachments(self) -> tuple[AttachmentFacts, ...]:
        """What the gate must know of the files, in the order they came."""
        if self._payload.raw:
            return tuple(AttachmentFacts(file.name, file.detected_type, file.size) for file in self._payload.listed)
        return tuple(
            AttachmentFacts(entry.name, filetypes.detect_type(entry.name, entry.data), len(entry.data))
            for entry in self._payload.attachments
        )

    def write(self, message: Claimed) -> tuple[OutgoingEmail, int]:
        """The mail and its size in bytes; raises CampaignError."""
        mail_from = self._mail_from(message)
        if self._takes_content:
            shared = self._writer.content(message)
            size = len(shared.html) + len(shared.text) + sum(len(file.data) for file in shared.files)
            email = OutgoingEmail(
                message.id,
                message.public_id,
                mail_from,
                render.wire_mailbox(message),
                b"",
                shared=shared,
                attempt=message.attempts,
                in_doubt=is_in_doubt(message.error_code),
            )
            return email, size
        data = self._writer.wire(message, date=timezone.now())
        if self._signer is not None:
            data = self._signer.sign(data) + data
        return OutgoingEmail(message.id, message.public_id, mail_from, render.wire_mailbox(message), data), len(data)

    def copy(self, message: Claimed) -> bytes:
        """The mail as bytes without our signature; raises CampaignError."""
        return self._writer.wire(message, date=timezone.now())

    def _mail_from(self, message: Claimed) -> str:
        """The envelope sender: one address per message where the domain has a return path (VERP; DS-05)."""
        if self._payload.from_nobody:
            return ""
        if (path := self._return_path) is None:
            return self._payload.from_mailbox
        return f"{path.local}+{tokens.bounce_token(message.public_id)}@{path.domain}"


class _TextWriter:
    """Mails from texts, or from a version of a template, with a request's own files and values."""

    def __init__(self, submission: Submission, payload: Payload) -> None:
        self._submission, self._payload = submission, payload
        self.tracker: Tracker | None = None
        version = submission.content
        self._letter = None if version is not None else compile_letter(_draft(submission, payload))
        self._version = compile_version(version) if version is not None else None
        compiled = self._letter or self._version
        assert compiled is not None
        self.has_unsubscribe_link = compiled.has_unsubscribe_link
        self.has_postal_address = compiled.has_postal_address
        ends_at = views_end_at(submission, sent_at=timezone.now()) if compiled.has_browser_link else None
        self._views_end_at = ends_at
        self._enclosed = enclose(payload.attachments)
        self._frame = _frame(submission, payload)
        self._unsubscribe_host = _unsubscribe_host(submission) if self._frame.is_bulk else ""

    def wire(self, message: Claimed, *, date: datetime) -> bytes:
        frame, recipient = self._addressed(message)
        tracked = self._track(message)
        if self._version is not None:
            return self._version.mail(frame, recipient, date=date, enclosed=self._enclosed, tracked=tracked)
        assert self._letter is not None
        return self._letter.mail(frame, recipient, date=date, enclosed=self._enclosed, tracked=tracked)

    def content(self, message: Claimed) -> SharedContent:
        frame, recipient = self._addressed(message)
        if self._version is not None:
            seen = self._version.read(frame, recipient)
        else:
            assert self._letter is not None
            seen = self._letter.read(frame, recipient)
        subject, html, text = seen
        # UN-01 holds whoever builds the mail; transactional mail needs none (UN-13).
        leaving = (
            read_headers(unsubscribe_headers(recipient.unsubscribe_url, recipient.unsubscribe_mailbox))
            if frame.is_bulk
            else ()
        )
        return SharedContent(
            from_name=frame.from_name,
            from_mailbox=frame.from_mailbox,
            reply_to=frame.reply_to,
            subject=subject,
            html=html,
            text=text,
            headers=(*frame.headers, *leaving),
            files=_files(self._payload.attachments),
        )

    def _track(self, message: Claimed) -> Tracked | None:
        if self.tracker is None:
            return None
        # A mail of a program is prepared alone: what its reader chose is asked for now.
        self.tracker.look_up([message.address_key])
        return self.tracker.track(message.public_id, address_key=message.address_key)

    def _addressed(self, message: Claimed) -> tuple[MailFrame, MailRecipient]:
        personal = message.personal or open_personal(
            self._submission, message.placeholders_sealed, message_id=str(message.public_id)
        )
        heading = self._payload.headings[personal.heading]
        frame = replace(self._frame, reply_to=heading.reply_to) if heading.reply_to else self._frame
        return frame, self._recipient(message, personal, heading)

    def _recipient(self, message: Claimed, personal: Personal, heading: Heading) -> MailRecipient:
        values: dict[str, Any] = {**self._payload.defaults, **personal.values}
        if self._payload.masking:
            values = mask_values(values, self._payload.masking)
        domain = self._payload.from_mailbox.rpartition("@")[2]
        return MailRecipient(
            mailbox=render.wire_mailbox(message),
            values=values,
            # The same for every attempt: a receiver can tell a repeated delivery by it.
            message_id=f"{message.public_id.hex}@{domain}",
            unsubscribe_url=self._unsubscribe_url(message),
            unsubscribe_mailbox=render.unsubscribe_mailbox(message, host=self._unsubscribe_host),
            browser_url=self._browser_url(message),
            name=personal.name,
            to=_shown_to(personal, heading),
            cc=heading.cc,
        )

    def _browser_url(self, message: Claimed) -> str:
        if self._views_end_at is None:
            return ""
        return view_url(message.public_id, expires_at=self._views_end_at)

    def _unsubscribe_url(self, message: Claimed) -> str:
        """Marketing mail has one, and every mail that shows the link."""
        if self._submission.purpose != Purpose.MARKETING and not self.has_unsubscribe_link:
            return ""
        claim = tokens.UnsubscribeClaim(self._submission.account_id, self._submission.pk, message.address_key)
        return f"{settings.PUBLIC_URL}/u/{tokens.unsubscribe_token(claim)}"


class _RawWriter:
    """A finished mail: checked and normalised when it was accepted, it leaves as it is."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        self.tracker: Tracker | None = None
        # Of a finished mail nobody has looked whether it shows them: marketing by it is refused.
        self.has_unsubscribe_link = self.has_postal_address = False

    def wire(self, message: Claimed, *, date: datetime) -> bytes:
        del message, date
        return self._payload.raw

    def content(self, message: Claimed) -> SharedContent:
        del message
        raise CampaignError(
            "message.finished-mail",
            "This way to send builds mails itself and takes no finished ones.",
            action="Send by an SMTP relay, or hand in subject and texts.",
        )


def _unsubscribe_host(submission: Submission) -> str:
    """As for a campaign; that such mail is read, the account says of the address as its sender (UN-10)."""
    if (domain := submission.sending_domain) is None or not domain.return_path:
        return ""
    senders = domain.senders.filter(email__iexact=submission.sender_address, unsubscribes_by_mail=True)
    return render.mail_host(domain, is_read=senders.exists())


def _open_writer(submission: Submission, payload: Payload) -> _TextWriter | _RawWriter:
    return _RawWriter(payload) if payload.raw else _TextWriter(submission, payload)


def _draft(submission: Submission, payload: Payload) -> LetterDraft:
    return LetterDraft(
        subject=payload.subject,
        html=payload.html,
        text=payload.text,
        amp=payload.amp,
        language=payload.language,
        addressed=submission.account.postal_address,
    )


def _frame(submission: Submission, payload: Payload) -> MailFrame:
    account = submission.account
    return MailFrame(
        from_name=payload.from_name,
        from_mailbox=payload.from_mailbox,
        feedback_id=f"{submission.public_id.hex[:12]}:{account.slug}:{submission.door}:{settings.FEEDBACK_SENDER_ID}",
        is_bulk=submission.purpose == Purpose.MARKETING,
        account_name=account.name,
        postal_address=account.postal_address,
        headers=payload.headers,
    )


def _shown_to(personal: Personal, heading: Heading) -> tuple[tuple[str, str], ...] | None:
    """None where a reader sees only their own address; copies of a mail to many show nobody."""
    if heading.to is not None:
        return heading.to
    return None if personal.part == "to" else ()


def _files(attachments: tuple[Attachment, ...]) -> tuple[EnclosedFile, ...]:
    return tuple(EnclosedFile(entry.name, entry.media_type, entry.data, entry.content_id) for entry in attachments)
