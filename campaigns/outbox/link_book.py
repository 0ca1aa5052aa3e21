"""Which links the mails of a submission have: numbered when they are made, kept for whoever clicks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache
from django.db import transaction

from campaigns.content.links import LinkKey
from campaigns.content.problems import RenderError
from campaigns.models import Submission, TrackedLink

log = logging.getLogger(__name__)

# Branches of a template may hold different links; more than this are not kept for one submission.
MOST_KEPT = 2_000
_SHARED_SECONDS = 30 * 24 * 3600


@dataclass(frozen=True, slots=True)
class LinkBook:
    """The links of a submission by number, and whose they are."""

    account_id: int
    links: dict[int, str]


class LinkNumbers:
    """The numbers of a submission's links, given once and for all; a new link is written down before a mail has it."""

    def __init__(self, submission_id: int) -> None:
        self._submission_id = submission_id
        self._known: dict[LinkKey, int] = {}

    def __call__(self, links: Sequence[LinkKey]) -> list[int]:
        """A number for each link; raises RenderError when the submission has too many different ones."""
        if not self._known.keys() >= set(links):
            self._known = register_links(self._submission_id, links)
        return [self._known[link] for link in links]


def register_links(submission_id: int, links: Sequence[LinkKey]) -> dict[LinkKey, int]:
    """Write down the links of a submission that are not yet; the numbers of all it has. Raises RenderError."""
    with transaction.atomic():
        # Workers that meet a link at the same time wait here, so it has one number.
        submission = Submission.objects.select_for_update(of=("self",), no_key=True).get(pk=submission_id)
        rows = TrackedLink.objects.filter(submission=submission).values_list("url", "place", "number")
        known = {LinkKey(url, place): number for url, place, number in rows}
        missing = [link for link in dict.fromkeys(links) if link not in known]
        if len(known) + len(missing) > MOST_KEPT:
            raise RenderError(
                "content.too-many-links",
                "The readers' mails hold too many different links to count clicks on.",
                action='Mark links that differ for each reader with clicktracking="off".',
            )
        first = max(known.values(), default=0) + 1
        known |= {link: number for number, link in enumerate(missing, first)}
        TrackedLink.objects.bulk_create(
            TrackedLink(submission=submission, number=known[link], url=link.url, place=link.place) for link in missing
        )
    _share(submission_id, LinkBook(submission.account_id, {number: link.url for link, number in known.items()}))
    return known


def load_book(submission_id: int) -> LinkBook | None:
    """The links of a submission from the database; None when there is no such submission."""
    account_id = Submission.objects.filter(pk=submission_id).values_list("account_id", flat=True).first()
    if account_id is None:
        return None
    book = LinkBook(account_id, dict(TrackedLink.objects.filter(submission=submission_id).values_list("number", "url")))
    _share(submission_id, book)
    return book


def read_shared(submission_id: int) -> LinkBook | None:
    """The links of a submission from the shared cache, for when the database does not answer."""
    try:
        found = cache.get(_key(submission_id))
    except Exception as error:
        # The edge: with the cache away as well there is nothing left to ask. No text: it may name a host.
        log.warning("links cannot be read from the cache: %s", type(error).__name__)
        return None
    return found if isinstance(found, LinkBook) else None


def _share(submission_id: int, book: LinkBook) -> None:
    try:
        cache.set(_key(submission_id), book, _SHARED_SECONDS)
    except Exception as error:
        # The edge: the cache is a second way to a link, never the first.
        log.warning("links cannot be shared: %s", type(error).__name__)


def _key(submission_id: int) -> str:
    return f"links:{submission_id}"
