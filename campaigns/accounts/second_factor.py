"""A second factor: six digits of an authenticator app (TOTP, RFC 6238), or one of ten recovery codes.

Whoever works in an account under a HIPAA agreement must have one; everybody may. A session remembers when its person
last proved it, because what weighs most – approving, agreements, keys – asks for a proof of the last ten minutes.

django-otp does the arithmetic. Its tables hold secrets and codes in the clear, so ours keep them sealed and hashed.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.db import transaction
from django_otp.oath import TOTP

from campaigns.accounts import guesses, person_trail
from campaigns.accounts.tenancy import accounts_of
from campaigns.errors import CampaignError
from campaigns.models import BaaStatus, RecoveryCode, SecondFactor
from compliance import vault

SESSION_KEY = "second_factor_at"
ISSUER = "Sealpost"
RECOVERY_CODES = 10
# The code before and after the present one count too: clocks of phones differ (RFC 6238 §6).
_TOLERANCE = 1
_SECRET_BYTES = 20


@dataclass(frozen=True, slots=True)
class Setup:
    """What an app needs to know: the address in the QR code, and the same secret for typing."""

    uri: str = field(repr=False)
    secret: str = field(repr=False)


class WrongCode(CampaignError):
    """The code is none of this person's, was used before, or comes after too many wrong ones."""

    def __init__(self, code: str, safe_text: str, *, action: str) -> None:
        super().__init__(code, safe_text, action=action, status=403)


def is_required(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the person works in an account that has, had or awaits an agreement (45 CFR 164.312(d))."""
    return accounts_of(user).exclude(baa_status=BaaStatus.NONE).exists()


def is_set_up(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the person has proven an app of theirs."""
    return SecondFactor.objects.filter(user=user.pk, confirmed_at__isnull=False).exists()


def find_moment(session: MutableMapping[str, Any]) -> datetime | None:
    """When the session's person last proved their second factor; None for never in this session."""
    seconds = session.get(SESSION_KEY)
    return datetime.fromtimestamp(seconds, tz=UTC) if isinstance(seconds, int) else None


def note_moment(session: MutableMapping[str, Any], *, now: datetime) -> None:
    """Remember that the session's person has just proven it."""
    session[SESSION_KEY] = int(now.timestamp())


def begin(user: User) -> Setup:
    """A secret for a new app, the same one until it is proven; raises WrongCode for somebody who has one."""
    with transaction.atomic():
        factor, is_new = SecondFactor.objects.select_for_update().get_or_create(user=user)
        if factor.confirmed_at is not None:
            raise WrongCode("factor.set-up", "You have a second factor already.", action="Take it away first.")
        if is_new:
            factor.secret_sealed = vault.seal(secrets.token_bytes(_SECRET_BYTES), **_context(user))
            factor.save(update_fields=["secret_sealed"])
    secret = base64.b32encode(_open(factor)).decode("ascii")
    label = quote(f"{ISSUER}:{user.get_username()}")
    return Setup(f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER})}", secret)


def finish(user: User, code: str, *, now: datetime) -> list[str]:
    """The first code proves the app; returns the recovery codes, which are shown once. Raises WrongCode."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user, confirmed_at=None).first()
        is_right = factor is not None and _take(factor, code, now=now)
        if factor is not None and is_right:
            SecondFactor.objects.filter(pk=factor.pk).update(confirmed_at=now)
            person_trail.note("person.factor-added", user)
            return _make_codes(factor)
    raise _wrong(user, code, now=now)


def prove(user: User, code: str, *, now: datetime) -> None:
    """Take a code of the app or a recovery code; raises WrongCode. Each counts once."""
    if seconds := guesses.wait([_place(user)], now=now):
        raise _wait(seconds)
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().filter(user=user, confirmed_at__isnull=False).first()
        is_right = factor is not None and (_take(factor, code, now=now) or _take_recovery(factor, code, now=now))
    if not is_right:
        raise _wrong(user, code, now=now)
    guesses.forgive(_place(user))


def renew_codes(user: User) -> list[str]:
    """Ten new recovery codes; the old ones do not count any more."""
    with transaction.atomic():
        return _make_codes(SecondFactor.objects.select_for_update().get(user=user, confirmed_at__isnull=False))


def count_codes(user: User) -> int:
    """How many recovery codes are left."""
    return RecoveryCode.objects.filter(factor__user=user.pk, used_at=None).count()


def remove(user: User, *, by: User) -> None:
    """The person sets up another app at their next step: for a lost or a new phone."""
    with transaction.atomic():
        if SecondFactor.objects.filter(user=user).delete()[0]:
            person_trail.note("person.factor-removed", user, by=by)


def _take(factor: SecondFactor, code: str, *, now: datetime) -> bool:
    digits = code.replace(" ", "")
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return False
    totp = TOTP(_open(factor))
    totp.time = now.timestamp()
    if not totp.verify(int(digits), tolerance=_TOLERANCE, min_t=factor.last_step + 1):
        return False
    return bool(SecondFactor.objects.filter(pk=factor.pk).update(last_step=totp.t()))


def _take_recovery(factor: SecondFactor, code: str, *, now: datetime) -> bool:
    left = RecoveryCode.objects.filter(factor=factor, code_hash=_hash(code), used_at=None)
    return bool(left.update(used_at=now))


def _make_codes(factor: SecondFactor) -> list[str]:
    codes = [_spell(secrets.token_bytes(10)) for _ in range(RECOVERY_CODES)]
    factor.recovery_codes.all().delete()
    RecoveryCode.objects.bulk_create(RecoveryCode(factor=factor, code_hash=_hash(code)) for code in codes)
    return codes


def _spell(data: bytes) -> str:
    text = base64.b32encode(data).decode("ascii").lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _hash(code: str) -> str:
    return hashlib.sha256("".join(code.split()).replace("-", "").lower().encode()).hexdigest()


def _wrong(user: User, code: str, *, now: datetime) -> WrongCode:
    person_trail.note("person.sign-in-failed", user, data={"part": "second-factor"})
    if seconds := guesses.note_guess([_place(user)], credential=code, now=now):
        person_trail.note("person.locked-out", user, data={"seconds": int(seconds)})
        return _wait(seconds)
    return WrongCode(
        "factor.wrong", "This code does not count.", action="Wait for the next code of your app, and type that one."
    )


def _wait(seconds: float) -> WrongCode:
    return WrongCode(
        "factor.wait", "There were too many wrong codes.", action=f"Try again in {guesses.in_words(seconds)}."
    )


def _place(user: User) -> str:
    return guesses.place_of_name(f"second factor {user.pk}")


def _open(factor: SecondFactor) -> bytes:
    return vault.unseal(bytes(factor.secret_sealed), **_context(factor.user))


def _context(user: AbstractBaseUser) -> dict[str, str]:
    return {"thing": "second-factor", "id": str(user.pk), "field": "secret"}
