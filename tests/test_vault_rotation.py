"""Root keys change while everybody works, a run that was killed goes on, and nothing needed is ever destroyed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from compliance import vault
from compliance.models import DataKey
from compliance.vault import destruction, keys, rotation
from config import keyring
from tests.factories import make_account
from tests.http_server import Reply
from tests.key_services import KmsStub, TransitStub
from tests.test_vault import seal_first_version

SECRET = b"a diagnosis nobody may read"


@pytest.fixture(autouse=True)
def ring(settings: Settings, tmp_path: Path) -> keyring.KeyRing:
    """A key ring of this test's own."""
    made = keyring.load(tmp_path / "ring.json", create=True)
    settings.KEY_RING = made
    return made


def seal_for(*accounts: str) -> dict[str, bytes]:
    return {account: vault.seal(SECRET, account=account) for account in accounts}


def assert_all_open(sealed: dict[str, bytes]) -> None:
    keys.forget_open_keys()
    assert {account: vault.unseal(value, account=account) for account, value in sealed.items()} == dict.fromkeys(
        sealed, SECRET
    )


def rotate(**options: int) -> rotation.Rotation:
    return list(rotation.rotate(**options))[-1]


@pytest.mark.django_db
def test_after_a_rotation_everything_opens_and_the_old_key_can_go() -> None:
    sealed = seal_for("a", "b", "c")
    old = DataKey.objects.values_list("kid", flat=True).distinct().get()
    kid = rotation.add_root()
    assert rotation.list_waiting() == (kid, 3)
    state = rotate(batch=2)
    assert (state.kid, state.done, state.left, state.failed) == (kid, 3, 0, 0)
    rotation.retire_root(old)
    assert_all_open(sealed)
    assert_all_open(seal_for("d"))


@pytest.mark.django_db
def test_rotating_twice_does_nothing_the_second_time() -> None:
    seal_for("a", "b")
    rotation.add_root()
    rotate()
    assert rotate().done == 0


@pytest.mark.django_db
def test_a_rotation_that_was_killed_goes_on_where_it_stopped() -> None:
    sealed = seal_for(*"abcde")
    rotation.add_root()
    killed = next(rotation.rotate(batch=2))
    assert (killed.done, killed.left) == (2, 3)
    assert rotate(batch=2).done == 3
    assert_all_open(sealed)


@pytest.mark.django_db
def test_a_root_key_in_use_is_not_destroyed() -> None:
    seal_for("a")
    old = DataKey.objects.get().kid
    with pytest.raises(rotation.RootInUse) as caught:
        rotation.retire_root(old)
    assert len(caught.value.reasons) == 2
    rotation.add_root()
    with pytest.raises(rotation.RootInUse, match="wraps 1 data keys"):
        rotation.retire_root(old)


@pytest.mark.django_db
def test_a_root_key_that_sealed_values_of_the_first_version_is_not_destroyed() -> None:
    account = make_account()
    transport = account.transports.get()
    transport.config_sealed = seal_first_version(b"{}", account="x")
    transport.save()
    old = keyring_active()
    rotation.add_root()
    with pytest.raises(rotation.RootInUse, match=r"1 values in campaigns_transport\.config_sealed"):
        rotation.retire_root(old)


@pytest.mark.django_db
def test_a_key_that_does_not_open_is_counted_and_left_alone() -> None:
    sealed = seal_for("a", "b")
    DataKey.objects.filter(owner="a").update(wrapped=os.urandom(92))
    rotation.add_root()
    state = rotate()
    assert (state.done, state.left, state.failed) == (1, 0, 1)
    assert_all_open({"b": sealed["b"]})


@pytest.mark.django_db
def test_a_destroyed_key_stays_destroyed_through_a_rotation() -> None:
    seal_for("a")
    destruction.destroy_keys(destruction.find_keys("a"), now=DataKey.objects.get().created_at)
    rotation.add_root()
    assert rotate().done == 0
    assert DataKey.objects.get().wrapped is None


@pytest.mark.django_db(transaction=True)
def test_keys_change_while_others_seal_and_open() -> None:
    sealed = seal_for("a", "b")
    stop, problems = threading.Event(), []

    def work() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            keys.forget_open_keys()
            try:
                assert vault.unseal(vault.seal(SECRET, account=f"w{number % 5}"), account=f"w{number % 5}") == SECRET
                assert vault.unseal(sealed["a"], account="a") == SECRET
            except Exception as error:
                problems.append(repr(error))
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(4):
            rotation.add_root()
            rotate(batch=1)
    finally:
        stop.set()
        worker.join()
    assert problems == []
    rotate()
    assert_all_open(sealed)


@pytest.fixture
def kms(settings: Settings) -> Iterator[KmsStub]:
    with KmsStub() as stub:
        settings.KEY_SERVICE = stub.settings()
        yield stub


@pytest.mark.django_db
def test_an_installation_moves_from_the_ring_to_aws_and_on_to_another_key(kms: KmsStub, settings: Settings) -> None:
    sealed = seal_for("a", "b")
    old = keyring_active()
    settings.KEY_PROVIDER = "aws"
    assert rotate().done == 2
    assert_all_open(sealed)
    settings.KEY_PROVIDER = "aws"
    settings.KEY_SERVICE = {**kms.settings(), "key": "key-2"}
    kms.actions.clear()
    assert rotate().done == 2
    assert kms.actions.count("ReEncrypt") == 2
    rotation.retire_root("aws:key-1")
    assert_all_open(sealed)
    assert set(DataKey.objects.values_list("kid", flat=True)) == {"aws:key-2"}
    assert old not in kms.keys


@pytest.mark.django_db
def test_a_version_of_vaults_key_is_trimmed_once_nothing_needs_it(settings: Settings) -> None:
    with TransitStub() as transit:
        settings.KEY_PROVIDER, settings.KEY_SERVICE = "vault", transit.settings()
        sealed = seal_for("a")
        assert rotation.add_root() == "vault:sealpost:v2"
        rotate()
        rotation.retire_root("vault:sealpost:v1")
        assert_all_open(sealed)
        assert set(transit.keys) == {"v2"}


@pytest.mark.django_db
def test_a_service_that_goes_down_in_a_rotation_changes_nothing_more_and_it_resumes(
    kms: KmsStub, settings: Settings
) -> None:
    sealed = seal_for("a", "b", "c")
    settings.KEY_PROVIDER = "aws"
    run = rotation.rotate(batch=1)
    next(run)
    kms.answer = lambda _: Reply(503)
    with pytest.raises(vault.KeysUnavailable):
        next(run)
    kms.answer = kms.serve
    assert rotate().done == 2
    assert_all_open(sealed)


def keyring_active() -> str:
    kid, _ = rotation.list_waiting()
    return kid
