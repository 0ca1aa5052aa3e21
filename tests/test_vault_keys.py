"""Data keys: one for each account and scope, bound to their row, never lost by a rollback, gone when destroyed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings as configured
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from compliance import vault
from compliance.models import DataKey
from compliance.vault import destruction, keys
from tests.http_server import Reply
from tests.key_services import KmsStub

SECRET = b"a diagnosis nobody may read"
NOW = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)


def place(account: str) -> dict[str, str]:
    return {"account": account, "thing": "message", "id": "7", "field": "placeholders"}


@pytest.mark.django_db
def test_each_account_has_a_key_of_its_own() -> None:
    one, other = str(uuid4()), str(uuid4())
    for account in (one, other, one):
        vault.seal(SECRET, **place(account))
    assert sorted(DataKey.objects.values_list("owner", flat=True)) == sorted([one, other])


@pytest.mark.django_db
def test_the_database_holds_neither_the_value_nor_the_bare_key() -> None:
    sealed = vault.seal(SECRET, **place("a"))
    row = DataKey.objects.get()
    bare = keys.unwrap(row)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM compliance_datakey")
        stored = repr([bytes(v) if isinstance(v, memoryview) else v for v in cursor.fetchone()])
    assert repr(bare)[2:-1] not in stored
    assert bare.hex() not in stored
    assert SECRET not in sealed
    assert bare not in sealed


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change", [{"owner": "b"}, {"scope": "until:2027-01-01"}, {"expires_on": NOW.date()}, {"id": uuid4()}]
)
def test_a_wrapped_key_pasted_into_another_row_does_not_open(change: dict[str, Any]) -> None:
    vault.seal(SECRET, **place("a"))
    row = DataKey.objects.get()
    for name, value in change.items():
        setattr(row, name, value)
    with pytest.raises(vault.SealBroken):
        keys.unwrap(row)


@pytest.mark.django_db(transaction=True)
def test_an_open_key_is_asked_for_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    sealed = vault.seal(SECRET, **place("a"))
    with django_assert_num_queries(0):
        for _ in range(3):
            vault.seal(SECRET, **place("a"))
            vault.unseal(sealed, **place("a"))


@pytest.mark.django_db(transaction=True)
def test_a_key_made_in_a_transaction_that_rolls_back_is_never_used_again() -> None:
    with contextlib.suppress(RuntimeError), transaction.atomic():
        vault.seal(SECRET, **place("a"))
        raise RuntimeError
    assert not DataKey.objects.exists()
    sealed = vault.seal(SECRET, **place("a"))
    keys.forget_open_keys()
    assert vault.unseal(sealed, **place("a")) == SECRET


@pytest.mark.django_db(transaction=True)
def test_a_key_made_in_a_savepoint_that_rolls_back_is_never_used_again() -> None:
    with transaction.atomic():
        with contextlib.suppress(RuntimeError), transaction.atomic():
            vault.seal(SECRET, **place("a"))
            raise RuntimeError
        sealed = vault.seal(SECRET, **place("a"))
    keys.forget_open_keys()
    assert vault.unseal(sealed, **place("a")) == SECRET


@pytest.mark.django_db(transaction=True)
def test_a_key_made_in_a_transaction_is_kept_open_once_it_committed(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with transaction.atomic():
        vault.seal(SECRET, **place("a"))
        vault.seal(SECRET, **place("a"))
    vault.seal(SECRET, **place("a"))
    with django_assert_num_queries(0):
        vault.seal(SECRET, **place("a"))


@pytest.mark.django_db(transaction=True)
def test_many_who_need_the_first_key_at_once_get_the_same() -> None:
    sealed: list[bytes] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        with transaction.atomic():
            sealed.append(vault.seal(SECRET, **place("a")))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert DataKey.objects.count() == 1
    keys.forget_open_keys()
    assert [vault.unseal(value, **place("a")) for value in sealed] == [SECRET] * 6


@pytest.mark.django_db
def test_content_of_one_day_shares_a_key_and_of_another_day_does_not() -> None:
    with time_machine.travel(NOW, tick=False):
        for hours in (1, 2, 30):
            vault.seal(SECRET, vault.until("a", NOW + timedelta(hours=hours)), **place("a"))
    assert list(DataKey.objects.order_by("scope").values_list("scope", "expires_on")) == [
        ("until:2026-12-01", NOW.date() + timedelta(days=1)),
        ("until:2026-12-02", NOW.date() + timedelta(days=2)),
    ]


@pytest.mark.django_db
def test_a_send_has_a_key_that_can_be_shredded_alone() -> None:
    until = timezone.now() + timedelta(days=3)
    scopes = [vault.only_for("a", thing="submission", public_id=name, keep_until=until) for name in ("x", "y")]
    first, second = (vault.seal(SECRET, scope, **place("a")) for scope in scopes)
    destruction.destroy_keys(destruction.find_keys("a", scope_starts="submission:x:"), now=timezone.now())
    with pytest.raises(vault.Shredded):
        vault.unseal(first, **place("a"))
    assert vault.unseal(second, **place("a")) == SECRET


@pytest.mark.django_db
def test_nothing_is_sealed_for_a_day_that_is_over() -> None:
    scope = vault.until("a", timezone.now() - timedelta(days=2))
    with pytest.raises(vault.Shredded):
        vault.seal(SECRET, scope, **place("a"))
    assert not DataKey.objects.exists()


@pytest.mark.django_db
def test_a_key_lives_until_its_day_and_no_longer() -> None:
    with time_machine.travel(NOW, tick=False):
        vault.seal(SECRET, vault.until("a", NOW), **place("a"))
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    assert destruction.find_expired(now=midnight - timedelta(seconds=1), limit=9) == []
    assert len(destruction.find_expired(now=midnight, limit=9)) == 1
    vault.seal(SECRET, **place("a"))
    assert len(destruction.find_expired(now=midnight + timedelta(days=9999), limit=9)) == 1


@pytest.mark.django_db
def test_what_was_sealed_under_a_destroyed_key_never_opens_and_new_values_get_a_new_key() -> None:
    sealed = vault.seal(SECRET, **place("a"))
    rows = destruction.find_keys("a")
    assert destruction.destroy_keys(rows, now=NOW) == [rows[0].pk]
    assert destruction.destroy_keys(rows, now=NOW) == []
    with pytest.raises(vault.Shredded):
        vault.unseal(sealed, **place("a"))
    assert vault.unseal(vault.seal(SECRET, **place("a")), **place("a")) == SECRET


@pytest.mark.django_db
def test_a_row_cannot_say_that_its_key_is_gone_while_it_holds_it() -> None:
    vault.seal(SECRET, **place("a"))
    with pytest.raises(IntegrityError), transaction.atomic():
        DataKey.objects.update(destroyed_at=NOW, is_active=False)


@pytest.mark.django_db(transaction=True)
def test_no_trace_of_a_destroyed_key_is_left_on_the_disk() -> None:
    vault.seal(SECRET, **place("a"))
    wrapped = bytes(DataKey.objects.values_list("wrapped", flat=True).get() or b"")
    destruction.destroy_keys(destruction.find_keys("a"), now=NOW)
    destruction.erase_traces()
    for data in _database_bytes():
        assert wrapped not in data


def _database_bytes() -> Iterator[bytes]:
    """What lies on the disk: the files of SQLite, or every page of the table as PostgreSQL has it."""
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        for suffix in ("", "-wal"):
            if os.path.exists(name + suffix):  # noqa: PTH110
                with open(name + suffix, "rb") as file:  # noqa: PTH123
                    yield file.read()
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_read_binary_file(pg_relation_filepath('compliance_datakey'))")
        yield bytes(cursor.fetchone()[0])


@pytest.fixture
def kms(settings: Settings) -> Iterator[KmsStub]:
    with KmsStub() as stub:
        settings.KEY_PROVIDER, settings.KEY_SERVICE = "aws", stub.settings()
        yield stub


@pytest.mark.django_db(transaction=True)
def test_a_key_service_is_asked_once_for_a_key_and_not_for_each_value(kms: KmsStub) -> None:
    vault.prepare(vault.standing("a"))
    assert kms.actions == ["Encrypt", "Decrypt"]
    with transaction.atomic():
        sealed = [vault.seal(SECRET, **place("a")) for _ in range(5)]
    assert [vault.unseal(value, **place("a")) for value in sealed] == [SECRET] * 5
    assert kms.actions == ["Encrypt", "Decrypt"]


@pytest.mark.django_db
def test_a_key_service_that_is_down_breaks_no_seal(kms: KmsStub) -> None:
    sealed = vault.seal(SECRET, **place("a"))
    kms.answer = lambda _: Reply(503)
    with pytest.raises(vault.KeysUnavailable):
        vault.unseal(sealed, **place("a"))
    with pytest.raises(vault.KeysUnavailable):
        vault.seal(SECRET, **place("b"))
    kms.answer = kms.serve
    assert vault.unseal(sealed, **place("a")) == SECRET


@pytest.mark.django_db
def test_what_the_ring_wrapped_opens_after_the_provider_changed(kms: KmsStub, settings: Settings) -> None:
    settings.KEY_PROVIDER = "local"
    sealed = vault.seal(SECRET, **place("a"))
    settings.KEY_PROVIDER = "aws"
    assert vault.unseal(sealed, **place("a")) == SECRET
    assert DataKey.objects.get().kid == configured.KEY_RING.active
    assert kms.actions == []


def test_an_open_key_shows_nothing() -> None:
    assert "cipher" not in repr(keys.OpenKey(bytes(16), None))  # type: ignore[arg-type]
