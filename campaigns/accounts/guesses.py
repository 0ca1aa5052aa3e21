"""Who guesses credentials has to wait: from the eleventh wrong one on, twice as long each time.

Counted for the address guesses come from and for the name or key they are about, each by itself. The same wrong
credential again is no new guess: a program nobody told that its key was revoked does not lock out its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from django.conf import settings
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.crypto import salted_hmac

from campaigns.accounts.presented import read_remote
from campaigns.accounts.shared import ask

FREE_GUESSES = 10
LONGEST_WAIT = 900.0  # seconds
_REMEMBERED = 3600  # seconds since the last guess
# One customer has at least this much of IPv6, and could otherwise guess from a new address each time.
_IPV6_SITE = 64

_Answer = TypeVar("_Answer")
_own = LocMemCache("guesses", {"OPTIONS": {"MAX_ENTRIES": 10_000}})


def place_of_remote(remote: str) -> str:
    """Where guesses come from: an IPv4 address or an IPv6 network; '' for a socket without address, which is not counted."""
    return _place_of_remote(remote, settings.SECRET_KEY)


# Callers come again and again from the same few addresses.
@lru_cache(maxsize=4096)
def _place_of_remote(remote: str, secret: str) -> str:
    del secret  # the digest is made with it
    address = read_remote(remote)
    if address is None:
        return ""
    return _digest("from", str(address) if address.version == 4 else str(int(address) >> (128 - _IPV6_SITE)))


def place_of_name(name: str) -> str:
    """What guesses are about: the name of a person, or the first part of a key."""
    return _digest("about", name)


def wait(places: Iterable[str], *, now: datetime) -> float:
    """How many seconds these places have to wait; 0 = nothing."""
    keys = [_until(place) for place in places if place]
    if not keys:
        return 0.0
    found: dict[str, float] = _shared(lambda store: store.get_many(keys))
    return max([0.0, *(until - now.timestamp() for until in found.values())])


def note_guess(places: Iterable[str], *, credential: str, now: datetime) -> float:
    """Count a wrong credential against these places; returns the wait from now on.

    While one of them waits, nothing is counted: knocking on a closed door does not keep it closed.
    """
    counted = [place for place in places if place]
    if already := wait(counted, now=now):
        return already
    seen = _digest("seen", credential)
    return max([0.0, *(_count(place, seen=seen, now=now) for place in counted)])


def forgive(place: str) -> None:
    """Forget the guesses about a name: its person came in."""
    _shared(lambda store: store.delete_many([_number(place), _until(place)]))


def in_words(seconds: float) -> str:
    """How long to wait, for people."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes"


def _count(place: str, *, seen: str, now: datetime) -> float:
    def count(store: BaseCache) -> int:
        if not store.add(f"{_number(place)}:{seen}", 1, _REMEMBERED):
            return 0
        store.add(_number(place), 0, _REMEMBERED)
        try:
            number: int = store.incr(_number(place))
        except ValueError:
            # Thrown out of a full cache in between.
            return 1
        store.touch(_number(place), _REMEMBERED)
        return number

    over = _shared(count) - FREE_GUESSES
    if over < 1:
        return 0.0
    seconds = min(2.0 ** min(over - 1, 20), LONGEST_WAIT)
    _shared(lambda store: store.set(_until(place), now.timestamp() + seconds, _REMEMBERED))
    return seconds


def _shared(act: Callable[[BaseCache], _Answer]) -> _Answer:
    return ask(lambda: act(cache), otherwise=lambda: act(_own))


def _digest(kind: str, text: str) -> str:
    # No name and no address lies readable in the cache.
    return salted_hmac(f"sealpost guesses {kind}", text, algorithm="sha256").hexdigest()[:32]


def _number(place: str) -> str:
    return f"guesses:{place}"


def _until(place: str) -> str:
    return f"guesses-wait:{place}"
