"""Keys of programs: made, let in, refused, revoked; and who guesses has to wait."""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.accounts import guesses
from campaigns.accounts.keys import (
    SCOPES,
    Credential,
    CredentialLocked,
    CredentialRefused,
    authenticate,
    create_key,
    require_lane,
    require_scope,
    revoke_key,
)
from campaigns.accounts.presented import PresentedKey, PresentedPassword, find_remote, read_authorization, read_remote
from campaigns.errors import CampaignError
from campaigns.models import Account, ApiKey, Lane, Membership, Purpose, Role
from tests.factories import make_account, make_api_key, make_user

NOW = datetime(2030, 3, 1, 9, tzinfo=UTC)
HERE = "203.0.113.7"
PASSWORD = "correct horse battery"  # what tests.factories.make_user gives


def enter(authorization: str, *, remote: str = HERE, now: datetime = NOW) -> Credential:
    return authenticate(authorization, remote=remote, now=now)


def basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def refusal(authorization: str, **where: Any) -> CampaignError:
    with pytest.raises(CampaignError) as caught:
        enter(authorization, **where)
    return caught.value


def guess(number: int, *, prefix: str = "", remote: str = HERE, now: datetime = NOW) -> CampaignError:
    """A wrong key each time, all of one prefix or each of another."""
    wrong = f"{prefix or f'{number:032x}'}-{uuid4()}"
    return refusal(f"App {wrong}", remote=remote, now=now)


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


# --- Making -------------------------------------------------------------------------------------------------------


def test_the_text_of_a_key_has_infobips_form_and_only_its_hash_is_kept(account: Account) -> None:
    key, text = create_key(account, name=" Shop ", scopes=["email:message:send"], by=make_user(account))
    assert re.fullmatch(r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", text)
    stored = " ".join(str(value) for value in ApiKey.objects.values().get().values())
    assert text.partition("-")[2] not in stored
    assert text[:32] == key.prefix
    assert (key.name, key.lane, key.purpose) == ("Shop", Lane.STANDARD, Purpose.TRANSACTIONAL)
    assert key.created_by is not None


def test_networks_and_scopes_are_kept_tidy(account: Account) -> None:
    given_networks = ["192.0.2.7", " 2001:DB8::/32 ", "192.0.2.7"]
    key, _ = make_api_key(account, networks=given_networks, scopes=["message:send", "email:message:send"])
    assert key.networks == ["192.0.2.7/32", "2001:db8::/32"]
    assert key.scopes == ["email:message:send", "message:send"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "  "}, "key.name-invalid"),
        ({"name": "a\nb"}, "key.name-invalid"),
        ({"name": "x" * 81}, "key.name-invalid"),
        ({"scopes": []}, "key.scope-unknown"),
        ({"scopes": ["email:manage", "sms:manage"]}, "key.scope-unknown"),
        ({"lane": "fast"}, "key.lane-unknown"),
        ({"purpose": "fun"}, "key.purpose-unknown"),
        ({"networks": ["10.0.0.1/8"]}, "key.network-invalid"),
        ({"networks": ["example.org"]}, "key.network-invalid"),
        ({"networks": [f"10.0.0.{number}" for number in range(51)]}, "key.network-invalid"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "key.expiry-invalid"),
        ({"expires_at": datetime(2040, 1, 1)}, "key.expiry-invalid"),  # noqa: DTZ001 - the naive one is the point
        ({"lane": "hipaa", "expires_at": timezone.now() + timedelta(days=366)}, "key.expiry-invalid"),
        ({"max_per_second": 0}, "key.rate-invalid"),
        ({"max_per_second": float("nan")}, "key.rate-invalid"),
        ({"max_per_second": 100_001}, "key.rate-invalid"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(account: Account, change: dict[str, Any], code: str) -> None:
    with pytest.raises(CampaignError) as caught:
        make_api_key(account, **change)
    assert caught.value.code == code
    assert not ApiKey.objects.exists()


def test_a_key_of_the_hipaa_lane_ends_within_a_year(account: Account) -> None:
    key, _ = make_api_key(account, lane="hipaa")
    assert key.expires_at is not None
    assert key.expires_at <= timezone.now() + timedelta(days=365)
    assert make_api_key(account)[0].expires_at is None


# --- Coming in ----------------------------------------------------------------------------------------------------

FORMS: dict[str, Callable[[str], str]] = {
    "App": lambda text: f"App {text}",
    "App twice, an SDK's fault": lambda text: f"App App {text}",
    "bare": lambda text: text,
    "Bearer": lambda text: f"Bearer {text}",
    "Bearer, small, spaced": lambda text: f"  bearer   {text} ",
    "Basic with App": lambda text: basic("App", text),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_read_in_every_form(account: Account, form: str) -> None:
    key, text = make_api_key(account, scopes=["email:logs:read"], purpose="marketing")
    credential = enter(FORMS[form](text))
    assert (credential.account, credential.key) == (account, key)
    assert credential.scopes == {"email:logs:read"}
    assert (credential.lane, credential.purpose) == (Lane.STANDARD, Purpose.MARKETING)
    assert credential.key_id_for_logs == f"key {key.public_id}"


def test_the_good_path_is_one_query_with_the_account(account: Account) -> None:
    _, text = make_api_key(account)
    enter(text)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert enter(text, now=NOW + timedelta(seconds=59)).account.baa_status == "none"
    assert len(queries) == 1


def test_the_last_use_is_noted_once_a_minute(account: Account) -> None:
    key, text = make_api_key(account)
    for seconds, expected in ((0, 0), (30, 0), (59.9, 0), (60, 60), (90, 60), (3600, 3600)):
        enter(text, now=NOW + timedelta(seconds=seconds))
        key.refresh_from_db()
        assert key.last_used_at == NOW + timedelta(seconds=expected)


def test_a_key_of_one_account_never_opens_another(account: Account) -> None:
    """Evil input 40: the account comes from the key alone."""
    _, text = make_api_key(account)
    stranger = make_account()
    make_api_key(stranger)
    assert enter(text).account == account


def refused_header(account: Account, kind: str) -> str:
    """What a caller presents who is refused for this reason."""
    changes: dict[str, dict[str, Any]] = {
        "from elsewhere": {"networks": ["198.51.100.0/24"]},
        "expired": {"expires_at": NOW},
    }
    key, text = make_api_key(account, **changes.get(kind, {}))
    if kind == "revoked":
        revoke_key(key)
    wrong = {
        "wrong secret": f"{key.prefix}-{uuid4()}",
        "unknown key": f"{'0' * 32}-{text[33:]}",
        "no key": "",
        "not a key": "App letmein",
        "a session": "IBSSO 123",
        "Basic without a colon": "Basic QXBw",
        "Basic that is no base64": "Basic %%%",
        "Basic that is no text": "Basic //8=",
        "a name with a NUL": basic("a\0b", "x"),
        "nobody": basic("nobody", "x"),
    }
    return wrong.get(kind, text)


REASONS = (
    "from elsewhere", "expired", "revoked", "wrong secret", "unknown key", "no key", "not a key", "a session",
    "Basic without a colon", "Basic that is no base64", "Basic that is no text", "a name with a NUL", "nobody",
)  # fmt: skip


@pytest.mark.parametrize("kind", REASONS)
def test_whatever_was_wrong_the_answer_is_the_same(account: Account, kind: str) -> None:
    error = refusal(refused_header(account, kind))
    assert type(error) is CredentialRefused
    expected = CredentialRefused()
    assert (error.status, error.code, str(error), error.action) == (401, "key.refused", str(expected), expected.action)


def test_a_revoked_key_is_refused_at_once_and_stays_as_it_was_revoked(account: Account) -> None:
    key, text = make_api_key(account)
    person = make_user(account)
    enter(text)
    revoke_key(key, by=person)
    first = key.revoked_at
    assert isinstance(refusal(text), CredentialRefused)
    revoke_key(ApiKey.objects.get(pk=key.pk))
    key.refresh_from_db()
    assert (key.revoked_at, key.revoked_by) == (first, person)


@pytest.mark.parametrize(
    ("remote", "comes_in"),
    [
        ("198.51.100.1", True), ("::ffff:198.51.100.1", True), ("198.51.101.1", False), ("2001:db8::1", True),
        ("2001:db9::1", False), ("", False), ("unix:", False), ("fe80::1%eth0", False),
    ],
)  # fmt: skip
def test_a_key_with_networks_opens_from_there_only(account: Account, remote: str, comes_in: bool) -> None:
    _, text = make_api_key(account, networks=["198.51.100.0/24", "2001:db8::/32"])
    if comes_in:
        assert enter(text, remote=remote).account == account
    else:
        assert isinstance(refusal(text, remote=remote), CredentialRefused)


def test_a_scope_opens_what_accepts_it_and_the_one_for_everything_opens_all(account: Account) -> None:
    sender = enter(make_api_key(account, scopes=["message:send"])[1])
    require_scope(sender, "email:message:send", "message:send")
    with pytest.raises(CampaignError) as caught:
        require_scope(sender, "email:templates:manage")
    assert (caught.value.code, caught.value.status) == ("key.scope-missing", 403)
    with pytest.raises(CampaignError):
        require_scope(sender)
    everything = enter(make_api_key(account)[1])
    require_scope(everything)
    for scope in SCOPES:
        require_scope(everything, scope)


@pytest.mark.parametrize("lane", Lane)
def test_no_key_opens_both_lanes(account: Account, lane: Lane) -> None:
    credential = enter(make_api_key(account, lane=lane)[1], now=timezone.now())
    require_lane(credential, lane)
    (other,) = set(Lane) - {lane}
    with pytest.raises(CampaignError) as caught:
        require_lane(credential, other)
    assert (caught.value.code, caught.value.status) == ("key.wrong-lane", 403)


# --- People's passwords -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        (Role.AUTHOR, {"email:message:send", "message:send", "email:logs:read", "email:templates:manage"}),
        (Role.APPROVER, {"email:message:send", "message:send", "email:logs:read"}),
        (Role.OPERATOR, {"email:manage"}),
    ],
)
def test_a_member_who_may_send_comes_in_by_password(account: Account, role: str, scopes: set[str]) -> None:
    user = make_user(account, role=role)
    credential = enter(basic(user.username, PASSWORD))
    assert (credential.account, credential.key, credential.lane) == (account, None, Lane.STANDARD)
    assert credential.scopes == scopes
    assert user.username not in credential.key_id_for_logs


def test_a_password_with_a_colon_is_read_whole(account: Account) -> None:
    user = make_user(account, password="a:b:c")
    assert enter(basic(user.username, "a:b:c")).account == account


@pytest.mark.parametrize("kind", ["only watches", "switched off", "no account", "two accounts", "superuser", "wrong"])
def test_others_do_not_come_in_by_password(account: Account, kind: str) -> None:
    user = make_user(
        None if kind in {"no account", "superuser"} else account,
        role=Role.VIEWER if kind == "only watches" else Role.AUTHOR,
        is_active=kind != "switched off",
        is_superuser=kind == "superuser",
    )
    if kind == "two accounts":
        Membership.objects.create(user=user, account=make_account(), role=Role.AUTHOR)
    error = refusal(basic(user.username, "wrong" if kind == "wrong" else PASSWORD))
    assert isinstance(error, CredentialRefused)


def test_a_changed_password_counts_at_once(account: Account) -> None:
    """Although a right one is remembered for a minute, because checking it is slow on purpose."""
    user = make_user(account)
    enter(basic(user.username, PASSWORD))
    user.set_password("another battery horse")
    user.save()
    assert isinstance(refusal(basic(user.username, PASSWORD)), CredentialRefused)
    assert enter(basic(user.username, "another battery horse")).account == account


# --- Guessing -----------------------------------------------------------------------------------------------------


def test_an_address_that_guesses_waits_twice_as_long_each_time(account: Account) -> None:
    _, text = make_api_key(account)
    assert {type(guess(number)) for number in range(guesses.FREE_GUESSES)} == {CredentialRefused}
    now, waits = NOW, []
    for number in range(100, 114):
        error = guess(number, now=now)
        assert isinstance(error, CredentialLocked)
        assert error.status == 429
        waits.append(error.retry_after)
        locked = refusal(text, now=now)
        assert isinstance(locked, CredentialLocked)
        assert locked.retry_after == pytest.approx(error.retry_after, abs=0.001)
        now += timedelta(seconds=error.retry_after)
    assert waits == [min(2.0**power, 900.0) for power in range(14)]
    assert enter(text, now=now).account == account


def test_a_neighbour_of_who_guesses_is_not_locked_out(account: Account) -> None:
    _, text = make_api_key(account)
    for number in range(20):
        guess(number)
    assert enter(text, remote="203.0.113.8").account == account


def test_addresses_of_one_ipv6_network_are_one(account: Account) -> None:
    for number in range(20):
        guess(number, remote=f"2001:db8:0:1::{number:x}")
    assert isinstance(refusal("App x", remote="2001:db8:0:1:ffff::1"), CredentialLocked)
    assert isinstance(refusal("App x", remote="2001:db8:0:2::1"), CredentialRefused)


def test_guesses_at_one_key_from_everywhere_lock_the_guessers_and_not_its_owner(account: Account) -> None:
    key, text = make_api_key(account)
    errors = [guess(number, prefix=key.prefix, remote=f"198.51.100.{number}") for number in range(12)]
    assert [type(error) for error in errors] == [CredentialRefused] * 10 + [CredentialLocked] * 2
    assert enter(text).account == account


def test_an_unknown_key_is_locked_like_a_known_one(account: Account) -> None:
    errors = [guess(number, prefix="f" * 32, remote=f"198.51.100.{number}") for number in range(12)]
    assert [type(error) for error in errors] == [CredentialRefused] * 10 + [CredentialLocked] * 2


def test_a_name_that_is_guessed_at_is_closed_to_the_right_password_too(account: Account) -> None:
    user = make_user(account)
    for number in range(11):
        refusal(basic(user.username, f"guess {number}"), remote=f"198.51.100.{number}")
    assert isinstance(refusal(basic(user.username, PASSWORD)), CredentialLocked)
    assert enter(basic(user.username, PASSWORD), now=NOW + timedelta(seconds=1)).account == account


def test_who_came_in_may_mistype_anew(account: Account) -> None:
    user = make_user(account)
    for number in range(30):
        if number % 9 == 8:
            enter(basic(user.username, PASSWORD), remote=f"198.51.100.{number}")
        error = refusal(basic(user.username, f"guess {number}"), remote=f"198.51.100.{number}")
        assert isinstance(error, CredentialRefused), number


@pytest.mark.parametrize("kind", ["revoked", "expired", "from elsewhere", "wrong secret", "no key"])
def test_a_program_that_repeats_itself_locks_nobody_out(account: Account, kind: str) -> None:
    """The cron job nobody told that its key was revoked stands beside programs whose keys are good."""
    header = refused_header(account, kind)
    assert {type(refusal(header)) for _ in range(30)} == {CredentialRefused}
    assert enter(make_api_key(account)[1]).account == account


def test_a_socket_without_address_is_not_locked(account: Account) -> None:
    for number in range(30):
        assert isinstance(guess(number, remote=""), CredentialRefused)


def test_an_unknown_key_costs_what_a_known_one_costs(account: Account) -> None:
    key, _ = make_api_key(account)
    counts = []
    for prefix in (key.prefix, "f" * 32):
        with CaptureQueriesContext(connection) as queries:
            guess(1, prefix=prefix)
        counts.append(len(queries))
    assert counts == [1, 1]


# --- Reading ------------------------------------------------------------------------------------------------------

KEY = "0123456789abcdef0123456789abcdef-7b9e2d1c-53a4-4c3b-9a55-0d6c6e1f2a3b"
scheme = st.sampled_from(["", "App ", "app App ", "Bearer ", "Basic ", "IBSSO ", "\0", "Basic\u3000"])


@given(scheme, st.one_of(st.text(max_size=80), st.from_regex(r"[0-9a-f]{32}-[0-9a-f-]{36}"), st.binary(max_size=80)))
@settings(max_examples=200)
def test_no_header_makes_reading_fail(before: str, value: str | bytes) -> None:
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    found = read_authorization(before + text)
    assert found is None or isinstance(found, (PresentedKey, PresentedPassword))
    assert read_remote(text) is None or text


@pytest.mark.django_db
@given(st.text(max_size=60), st.text(max_size=20))
@settings(max_examples=30)
def test_whatever_is_presented_the_answer_is_one_of_ours(header: str, remote: str) -> None:
    for presented in (header, f"App {header}", basic(header.encode("utf-8", "replace").decode(), "x")):
        assert refusal(presented, remote=remote).status in {401, 429}


@pytest.mark.parametrize(
    ("forwarded", "remote"),
    [
        ("198.51.100.9, 203.0.113.7", "203.0.113.7"), ("203.0.113.7:4711", "203.0.113.7"), ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"), ("", ""), ("127.0.0.1,", ""), ("unknown", "unknown"),
    ],
)  # fmt: skip
def test_behind_a_proxy_its_own_entry_is_believed_and_nothing_a_visitor_says(forwarded: str, remote: str) -> None:
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert find_remote(meta, behind_proxy=True) == remote
    assert find_remote(meta, behind_proxy=False) == "10.0.0.1"


def test_nothing_presented_shows_its_secret() -> None:
    shown = repr(read_authorization(KEY)) + repr(read_authorization(basic("ona", "s3cret")))
    assert KEY[33:] not in shown
    assert "s3cret" not in shown
    assert "ona" not in shown


@pytest.mark.parametrize("header", [f"App App {KEY}", f"Bearer App {KEY}", basic("app", KEY), f" {KEY}\t"])
def test_forms_of_one_key_are_one_key(header: str) -> None:
    found = read_authorization(header)
    assert isinstance(found, PresentedKey)
    assert found.text == KEY


@pytest.mark.parametrize("header", [KEY.upper(), f"App {KEY}x", f"App {KEY} x", KEY.replace("-", "–"), "A" * 4096])
def test_what_is_not_exactly_a_key_is_none(header: str) -> None:
    assert read_authorization(header) is None


def test_no_log_and_no_error_knows_a_key_or_a_password(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    key, text = make_api_key(account)
    user = make_user(account)
    shown = []
    with caplog.at_level(logging.DEBUG):
        shown.append(repr(enter(text)))
        for header in (f"App {key.prefix}-{uuid4()}", f"App x{text}", basic(user.username, f"not {PASSWORD}")):
            for number in range(12):
                error = refusal(header, remote=f"198.51.100.{number}")
                shown.append(f"{error!r} {error} {error.action}")
        revoke_key(key)
        shown.append(repr(refusal(text)))
    said = " ".join(record.getMessage() for record in caplog.records if record.name != "django.db.backends")
    for secret in (text[33:], PASSWORD, key.secret_hash):
        assert secret not in said + " ".join(shown)
