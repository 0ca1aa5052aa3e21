"""What bodies and queries of several resources have in common: plain texts, pages, cursors."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

from pydantic import AfterValidator, Field

from campaigns.api.envelopes import Violation
from campaigns.api.schemas import Wire
from campaigns.api.translate import Refused
from campaigns.errors import CampaignError
from campaigns.models import Account
from compliance import vault


def _check_line(text: str) -> str:
    # No database takes NUL, none of ours a lone surrogate; the others break headers and logs.
    if not text.isprintable():
        raise ValueError("must be printable text of one line")
    return text


Line = Annotated[str, AfterValidator(_check_line)]
"""Text of one line."""
Page = Annotated[int, Field(ge=0, le=1_000_000)]


class Paging(Wire):
    """Where a page stands among all."""

    page: int
    size: int
    total_pages: int
    total_results: int


class PlainPaging(Wire):
    """Which page it is; how many there are is not counted."""

    page: int
    size: int


def tell_page(page: int, size: int, *, total: int) -> Paging:
    """Infobip's account of a page; pages count from 0."""
    return Paging(page=page, size=size, total_pages=math.ceil(total / size), total_results=total)


@contextmanager
def as_violations(places: Mapping[str, str]) -> Iterator[None]:
    """Errors with these codes say which field is at fault: code -> path."""
    try:
        yield
    except CampaignError as error:
        if (place := places.get(error.code)) is None:
            raise
        raise Refused(Violation(place, error.safe_text), status=error.status) from None


def write_cursor(account: Account, *, kind: str, place: str) -> str:
    """A place in a list as a text that tells nothing and opens for this account and this list only."""
    sealed = vault.seal(place.encode("ascii"), **_context(account, kind))
    return base64.urlsafe_b64encode(sealed).decode("ascii").rstrip("=")


def read_cursor(account: Account, *, kind: str, cursor: str) -> str:
    """The place in a cursor; raises Refused for a text that is none."""
    try:
        sealed = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return vault.unseal(sealed, **_context(account, kind)).decode("ascii")
    except (ValueError, vault.SealBroken):
        raise Refused(Violation("cursor", "must be a cursor of an earlier page")) from None


def _context(account: Account, kind: str) -> dict[str, str]:
    return {"account": str(account.public_id), "thing": "cursor", "id": kind, "field": "place"}
