"""Whose domain is it? Told by the names and the Public Suffix List, without asking DNS (RFC 7489 §3.2)."""

from __future__ import annotations

from functools import lru_cache

from publicsuffixlist import PublicSuffixList


def registered_domain(name: str) -> str:
    """The part of an A-label domain somebody registered: example.co.uk of news.example.co.uk."""
    found = _suffixes().privatesuffix(name)
    return found if isinstance(found, str) else name


def is_one_organisation(one: str, other: str) -> bool:
    """Whether receivers take both A-label domains for one organisation's; a look at DNS has the last word (DM-01)."""
    return registered_domain(one) == registered_domain(other)


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    # Takes a tenth of a second.
    return PublicSuffixList()
