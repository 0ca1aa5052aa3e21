"""Pens: how the mails of one submission are written, and what the gate must know of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from django.utils import timezone

from campaigns.delivery.base import OutgoingEmail
from campaigns.models import LETTER_DOORS, Submission
from campaigns.outbox import render, render_content
from campaigns.outbox.claim import Claimed
from campaigns.outbox.letters import LetterPen
from campaigns.outbox.tracker import Tracker
from compliance.facts import AttachmentFacts


class Pen(Protocol):
    """Writes mails of one submission; `write` raises CampaignError when one recipient's cannot be made."""

    @property
    def has_unsubscribe_link(self) -> bool: ...
    @property
    def has_postal_address(self) -> bool: ...
    @property
    def attachments(self) -> tuple[AttachmentFacts, ...]: ...
    @property
    def tracker(self) -> Tracker | None: ...
    def write(self, message: Claimed) -> tuple[OutgoingEmail, int]: ...
    def copy(self, message: Claimed) -> bytes: ...


class VersionPen:
    """Writes the mails of a template version."""

    attachments: tuple[AttachmentFacts, ...] = ()

    def __init__(self, submission: Submission, *, takes_content: bool) -> None:
        """Raises CampaignError when no mail of the submission can be made at all."""
        self._letterhead = render.make_letterhead(submission)
        self.has_unsubscribe_link = self._letterhead.compiled.has_unsubscribe_link
        self.has_postal_address = self._letterhead.compiled.has_postal_address
        self.tracker = self._letterhead.tracker
        self._make: Callable[[render.Letterhead, Claimed], tuple[OutgoingEmail, int]] = (
            render_content.make_content if takes_content else _make_wire
        )

    def write(self, message: Claimed) -> tuple[OutgoingEmail, int]:
        """The mail and its size in bytes; raises CampaignError."""
        return self._make(self._letterhead, message)

    def copy(self, message: Claimed) -> bytes:
        """The mail as bytes without our signature, which another system's does not have; raises CampaignError."""
        plain = replace(self._letterhead, signer=None)
        return render.render_message(plain, message=message, date=timezone.now())


def open_pen(submission: Submission, *, takes_content: bool) -> Pen:
    """The pen of a submission; raises CampaignError when no mail of it can be made at all."""
    if submission.door in LETTER_DOORS:
        return LetterPen(submission, takes_content=takes_content)
    return VersionPen(submission, takes_content=takes_content)


def _make_wire(letterhead: render.Letterhead, message: Claimed) -> tuple[OutgoingEmail, int]:
    """The mail as wire bytes, signed."""
    data = render.render_message(letterhead, message=message, date=timezone.now())
    mail_from = render.return_path(letterhead, message)
    return OutgoingEmail(message.id, message.public_id, mail_from, render.wire_mailbox(message), data), len(data)
