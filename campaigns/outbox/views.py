"""Where a mail can be read in a browser, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from campaigns import tokens
from campaigns.content.liquid import read_placeholders
from campaigns.models import LETTER_DOORS, Message, Submission, TemplateVersion
from campaigns.outbox.tracker import is_allowed
from campaigns.storage.terms import terms_of

_OPTION = "browser_link"


def link_option(*texts: str) -> dict[str, bool]:
    """What a submission keeps in its options of texts that lead to the page; nothing of others."""
    return {_OPTION: True} if any("browser_url" in read_placeholders(text) for text in texts) else {}


def version_option(version: TemplateVersion) -> dict[str, bool]:
    """`link_option` of a version of a template."""
    return link_option(version.subject, version.preheader, version.source, version.text_source)


def views_end_at(submission: Submission, *, sent_at: datetime) -> int | None:
    """Until when its mails can be read in a browser, in seconds since 1970; None under HIPAA: never.

    The content of a program's mail is shown as long as a copy is there; None without one.
    """
    if not is_allowed(submission):
        return None
    days = submission.account.browser_view_days
    if submission.door in LETTER_DOORS:
        terms = terms_of(submission)
        if terms is None or not terms.active_days:
            return None
        days = min(days, terms.active_days)
    return int((sent_at + timedelta(days=days)).timestamp())


def view_url(message_id: UUID, *, expires_at: int) -> str:
    """The page that shows a mail in the browser until then, in seconds since 1970."""
    return f"{settings.PUBLIC_URL}/v/{tokens.view_token(tokens.ViewClaim(message_id, expires_at))}"


def told_link(message: Message) -> str:
    """The page of a mail that has left and leads there itself; '' for any other (infobip.md §2.1)."""
    submission = message.submission
    if message.sent_at is None or not submission.options.get(_OPTION):
        return ""
    expires_at = views_end_at(submission, sent_at=message.sent_at)
    return view_url(message.public_id, expires_at=expires_at) if expires_at is not None else ""
