"""`manage.py create_api_key` and `revoke_api_key`."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns.accounts.keys import CredentialRefused, authenticate
from campaigns.models import Account, ApiKey
from tests.factories import make_account, make_api_key


@pytest.fixture
def account(db: None) -> Account:
    return make_account(slug="harbour")


def run(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_a_key_is_printed_once_and_works(account: Account) -> None:
    text = run("create_api_key", "harbour", "--name", "Shop", "--scopes", "email:message:send").strip()
    credential = authenticate(f"App {text}", remote="", now=timezone.now())
    assert (credential.account, credential.scopes) == (account, frozenset({"email:message:send"}))


def test_a_program_gets_json(account: Account) -> None:
    words = ["--scopes", "email:logs:read, email:message:send", "--lane", "hipaa", "--purpose", "marketing"]
    words += ["--network", "192.0.2.0/24", "--network", "2001:db8::1", "--json"]
    made = json.loads(run("create_api_key", "harbour", "--name", "Shop", *words))
    key = ApiKey.objects.get()
    assert (key.lane, key.purpose, key.networks) == ("hipaa", "marketing", ["192.0.2.0/24", "2001:db8::1/128"])
    assert made["key"].startswith(f"{key.prefix}-")
    assert made == {
        "key": made["key"], "prefix": key.prefix, "lane": "hipaa",
        "scopes": ["email:message:send", "email:logs:read"], "expires_at": key.expires_at and key.expires_at.isoformat(),
    }  # fmt: skip


@pytest.mark.parametrize("written", ["2099-01-02", "2099-01-02T00:00:00Z", "2099-01-02T02:00+02:00"])
def test_an_end_without_a_zone_is_utc(account: Account, written: str) -> None:
    run("create_api_key", "harbour", "--name", "Shop", "--scopes", "email:manage", "--expires", written)
    assert ApiKey.objects.get().expires_at == datetime(2099, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nobody", "--name", "x", "--scopes", "email:manage"], "does not exist"),
        (["harbour", "--name", "x", "--scopes", "email:mange"], "only scopes there are"),
        (["harbour", "--name", "x", "--scopes", ","], "at least one scope"),
        (["harbour", "--name", "x", "--scopes", "email:manage", "--network", "example.org"], "no address"),
        (["harbour", "--name", "x", "--scopes", "email:manage", "--expires", "2001-01-01"], "moment to come"),
        (["harbour", "--name", "x", "--scopes", "email:manage", "--expires", "soon"], "invalid fromisoformat value"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(account: Account, words: list[str], expected: str) -> None:
    with pytest.raises(CommandError, match=expected):
        run("create_api_key", *words)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("length", [6, 32])
def test_a_key_is_revoked_by_how_it_begins(account: Account, length: int) -> None:
    key, text = make_api_key(account)
    other, _ = make_api_key(account)
    assert str(key) in run("revoke_api_key", key.prefix[:length])
    with pytest.raises(CredentialRefused):
        authenticate(text, remote="", now=timezone.now())
    other.refresh_from_db()
    assert other.revoked_at is None


def test_a_beginning_that_is_no_key_or_several_revokes_none(account: Account) -> None:
    key, text = make_api_key(account)
    ApiKey.objects.filter(pk=make_api_key(account)[0].pk).update(prefix=key.prefix[:6] + "0" * 26)
    for beginning in (key.prefix[:6], key.prefix[:3], "f" * 32, "%", text):
        with pytest.raises(CommandError, match="does not exist"):
            run("revoke_api_key", beginning)
    assert not ApiKey.objects.exclude(revoked_at=None).exists()
