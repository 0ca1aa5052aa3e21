"""Templates to start from: a newsletter, a mail that decides by itself what to say, and a plain notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from campaigns.content.draft import Variable, VersionDraft
from campaigns.models import SourceKind

_FOLDER = Path(__file__).parent
_FIRST_NAME = Variable("first_name", label="First name", sample="Ada", default="reader")
_PLAN = Variable("plan", label="Plan", sample="pro", default="standard")


@dataclass(frozen=True, slots=True)
class Starter:
    """A draft under the name its template gets."""

    name: str
    draft: VersionDraft


def starter_drafts() -> list[Starter]:
    """The starters, the newsletter first; every variable has a sample and a default, so nobody is left out."""
    return [
        Starter("Monthly letter", _newsletter()),
        Starter("Membership review", _membership()),
        Starter("Password notice", _notice()),
    ]


def _newsletter() -> VersionDraft:
    return VersionDraft(
        subject="New on the shelves at {{ account_name }}",
        preheader="Six new titles, two readings, and your membership at a glance.",
        source_kind=SourceKind.HTML,
        source=_read("newsletter.html"),
        variables=(
            _FIRST_NAME,
            Variable("company", label="Company", sample="Northwind", default="your company"),
            Variable("country", label="Country", sample="Lithuania", default="your country"),
            _PLAN,
            Variable("signed_up", label="Member since", sample="2024-05-29", default="the beginning"),
        ),
    )


def _membership() -> VersionDraft:
    return VersionDraft(
        subject="Your membership at {{ account_name }}",
        preheader="What you had this year, and what is next.",
        source_kind=SourceKind.MJML,
        source=_read("membership.mjml"),
        variables=(
            Variable("first_name", label="First name", sample="Ada", default=""),
            Variable("plan", label="Plan", sample="free", default=""),
            Variable("tags", label="Interests, parted by |", sample="events|poetry", default=""),
        ),
    )


def _notice() -> VersionDraft:
    return VersionDraft(
        subject="Your password was changed",
        source_kind=SourceKind.TEXT,
        source=_read("notice.txt"),
        variables=(
            _FIRST_NAME,
            Variable("changed_at", label="Changed on", sample="24 November 2026, 10:15", default="today"),
        ),
    )


def _read(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")
