"""Who a program is: the one check of keys and passwords behind every API door."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import OperationalError
from django.db.models import Q
from django.utils.crypto import salted_hmac

from campaigns.accounts import guesses, second_factor
from campaigns.accounts.presented import PresentedKey, PresentedPassword, read_authorization, read_remote
from campaigns.accounts.roles import Right, rights_by_account
from campaigns.accounts.scopes import EVERYTHING
from campaigns.accounts.shared import ask
from campaigns.errors import CampaignError
from campaigns.models import Account, ApiKey, Lane, Purpose
from campaigns.prepared import Prepared

log = logging.getLogger(__name__)

# What an unknown key is compared with, so that it costs what a known one costs.
_NOBODY = "0" * 64
_USE_NOTED_EVERY = timedelta(minutes=1)
_PASSWORD_REMEMBERED = 60  # seconds
_KEYS = Prepared(lambda: ApiKey.objects.select_related("account").filter(prefix=""))
_SENDING = frozenset({"email:message:send", "message:send", "email:logs:read"})


@dataclass(frozen=True, slots=True)
class Credential:
    """A program that was let in: for which account, to do what.

    `key` is None for a person's name and password. `key_id_for_logs` names the credential and nobody. With `to_sandbox`
    nothing it sends leaves the house.
    """

    account: Account
    lane: Lane
    purpose: Purpose
    scopes: frozenset[str]
    key: ApiKey | None
    key_id_for_logs: str
    to_sandbox: bool = False


class CredentialRefused(CampaignError):
    """Nobody we let in; one text whatever was wrong."""

    def __init__(self) -> None:
        super().__init__(
            "key.refused",
            "This key, or this name and password, does not let you in.",
            action="Look at the Authorization header, and at the key on the page “API keys”.",
            status=401,
        )


class CredentialLocked(CampaignError):
    """Too many wrong guesses; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "key.locked", "Too many wrong keys or passwords were tried.", action="Wait, then try again.", status=429
        )
        self.retry_after = retry_after


def authenticate(authorization: str, *, remote: str, now: datetime) -> Credential:
    """The credential of an Authorization header that came from this address; read_authorization tells the forms.

    A key costs one query. Raises CredentialRefused, and CredentialLocked for an address, or a person's name, that was
    guessed for too often. The right key is let in however often others guessed at it from elsewhere: nobody finds 122
    random bits, and a lock would only give strangers a way to shut its owner out.
    """
    origin = guesses.place_of_remote(remote)
    if seconds := guesses.wait([origin], now=now):
        raise CredentialLocked(seconds)
    presented = read_authorization(authorization)
    if isinstance(presented, PresentedKey):
        return _admit_key(presented, authorization, origin=origin, remote=remote, now=now)
    if isinstance(presented, PresentedPassword):
        return _admit_person(presented, authorization, origin=origin, now=now)
    # Nothing presented is no guess.
    raise _refuse([origin] if authorization.strip() else [], authorization, now=now)


def require_scope(credential: Credential, *accepted: str) -> None:
    """Returns when the credential has one of these scopes, or the one for everything; else raises `key.scope-missing`."""
    if credential.scopes.isdisjoint({EVERYTHING, *accepted}):
        raise CampaignError(
            "key.scope-missing",
            "This key may not do this.",
            action=f"Use a key with one of these scopes: {', '.join(accepted or (EVERYTHING,))}.",
            status=403,
        )


def require_lane(credential: Credential, lane: Lane) -> None:
    """Returns when the credential is for this lane; else raises `key.wrong-lane`: no key opens both."""
    if credential.lane != lane:
        raise CampaignError(
            "key.wrong-lane", "This key is for the other lane.", action="Use a key made for this address.", status=403
        )


def _admit_key(presented: PresentedKey, authorization: str, *, origin: str, remote: str, now: datetime) -> Credential:
    key = next(iter(_KEYS.fetch(presented.prefix)), None)
    is_right = hmac.compare_digest(key.secret_hash if key else _NOBODY, presented.secret_hash)
    if key is None or not is_right:
        raise _refuse([origin, guesses.place_of_name(presented.prefix)], authorization, now=now)
    # Who knows the secret guesses nothing: a key that is over, or used from elsewhere, is refused and not counted.
    if key.revoked_at is not None or key.is_expired(now) or not _is_from(key.networks, remote):
        raise CredentialRefused
    _note_use(key, now=now)
    return Credential(
        key.account, Lane(key.lane), Purpose(key.purpose), frozenset(key.scopes), key, f"key {key.public_id}"
    )


def _admit_person(presented: PresentedPassword, authorization: str, *, origin: str, now: datetime) -> Credential:
    place = guesses.place_of_name(presented.username)
    if seconds := guesses.wait([place], now=now):
        raise CredentialLocked(seconds)
    # Not through Django's backends: they want a request, and sign people in on screens.
    user = get_user_model().objects.filter(username=presented.username, is_active=True).first()
    if not _is_password(user, presented.password) or user is None:
        raise _refuse([origin, place], authorization, now=now)
    guesses.forgive(place)
    if second_factor.is_set_up(user) or second_factor.is_required(user):
        # A program cannot show a second factor: a password alone must not open what takes two.
        raise CredentialRefused
    sending = {pk: rights for pk, rights in rights_by_account(user).items() if Right.SEND in rights}
    if len(sending) != 1:
        # Of several accounts nothing says which is meant.
        raise CredentialRefused
    ((account_id, rights),) = sending.items()
    account = Account.objects.get(pk=account_id)
    return Credential(account, Lane.STANDARD, Purpose.TRANSACTIONAL, _scopes_of(rights), None, f"person {user.pk}")


def _scopes_of(rights: frozenset[Right]) -> frozenset[str]:
    if rights == frozenset(Right):
        return frozenset({EVERYTHING})
    return _SENDING | {"email:templates:manage"} if Right.COMPOSE in rights else _SENDING


def _refuse(places: list[str], authorization: str, *, now: datetime) -> CampaignError:
    """Counts the guess; the error to raise."""
    seconds = guesses.note_guess(places, credential=authorization, now=now)
    return CredentialLocked(seconds) if seconds else CredentialRefused()


def _is_from(networks: list[str], remote: str) -> bool:
    if not networks:
        return True
    address = read_remote(remote)
    return address is not None and any(address in ip_network(network) for network in networks)


def _note_use(key: ApiKey, *, now: datetime) -> None:
    """Writes `last_used_at` at most once a minute, whatever number of requests come."""
    before = now - _USE_NOTED_EVERY
    if key.last_used_at is not None and key.last_used_at > before:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
    try:
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    except OperationalError as error:
        # SQLite has one writer, and it may be busy: the request does not fail for a note.
        log.warning("The last use of a key was not noted: %s", type(error).__name__)


def _is_password(user: User | None, password: str) -> bool:
    """Whether it is the person's password, which is slow on purpose: a right one is remembered for a minute.

    Nobody's password takes as long to be wrong as somebody's.
    """
    if user is None:
        make_password(password)
        return False
    # Bound to the stored hash: a changed password ends it at once.
    seen = salted_hmac("sealpost api password", f"{user.pk}\0{user.password}\0{password}", algorithm="sha256")
    name = f"api-password:{seen.hexdigest()}"
    if ask(lambda: cache.get(name), otherwise=lambda: None):
        return True
    if not check_password(password, user.password):
        return False
    ask(lambda: cache.set(name, True, _PASSWORD_REMEMBERED), otherwise=lambda: None)
    return True
