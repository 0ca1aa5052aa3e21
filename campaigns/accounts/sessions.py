"""Sessions of people: how long they last without a hand on them, and how they end from outside."""

from __future__ import annotations

from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.sessions.models import Session

# 45 CFR 164.312(a)(2)(iii), automatic logoff; for people who work in an account under an agreement.
IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=8)
_SEEN, _BEGAN = CLOCKS = ("seen_at", "began_at")
# Writing the session row with every page would cost more than it tells.
_GRAIN = 30


def find_end(session: MutableMapping[str, Any], *, now: datetime) -> str:
    """Why this session is over: `idle`, `age`, or '' while it goes on."""
    moment = now.timestamp()
    if moment - session.get(_SEEN, moment) > IDLE.total_seconds():
        return "idle"
    return "age" if moment - session.get(_BEGAN, moment) > LONGEST.total_seconds() else ""


def note_presence(session: MutableMapping[str, Any], *, now: datetime) -> None:
    """Somebody did something."""
    moment = int(now.timestamp())
    session.setdefault(_BEGAN, moment)
    if moment - session.get(_SEEN, 0) >= _GRAIN:
        session[_SEEN] = moment


def end_sessions(user: AbstractBaseUser, *, but: str | None = None) -> int:
    """Sign the person out everywhere, but for the session with that key; returns how many sessions ended.

    Sessions do not tell whose they are from outside, so each is opened: there are as many as people at work.
    """
    ours = [row.pk for row in Session.objects.iterator() if row.get_decoded().get(SESSION_KEY) == str(user.pk)]
    return Session.objects.filter(pk__in=[key for key in ours if key != but]).delete()[0]
