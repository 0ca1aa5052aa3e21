"""Content dies on its day, with a certificate; evidence of it stays."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from compliance import shredding, tasks, vault
from compliance.audit import Ref
from compliance.audit.verify import verify
from compliance.models import AuditEvent, DataKey, ShredCertificate
from compliance.vault import derived, keys

NOW = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)
LATER = NOW + timedelta(days=4)
SECRET = b"a diagnosis nobody may read"
OFFICER = Ref("person", "7")


def seal_until(days: int, *, owner: str = "a") -> bytes:
    with time_machine.travel(NOW, tick=False):
        return vault.seal(SECRET, vault.until(owner, NOW + timedelta(days=days)), account=owner)


def is_signed(certificate: ShredCertificate) -> bool:
    key = Ed25519PublicKey.from_public_bytes(derived.public_key())
    try:
        key.verify(bytes.fromhex(certificate.signature), shredding.signed_bytes(shredding.as_dict(certificate)))
    except InvalidSignature:
        return False
    return True


@pytest.mark.django_db
def test_content_dies_on_its_day_and_the_rest_lives() -> None:
    dying, living, standing = seal_until(3), seal_until(9), vault.seal(SECRET, account="a")
    assert shredding.shred_expired(now=NOW) == 0
    assert shredding.shred_expired(now=LATER) == 1
    keys.forget_open_keys()
    with pytest.raises(vault.Shredded):
        vault.unseal(dying, account="a")
    assert vault.unseal(living, account="a") == vault.unseal(standing, account="a") == SECRET


@pytest.mark.django_db
def test_each_scope_gets_a_signed_certificate_and_an_event() -> None:
    for owner in ("a", "b"):
        seal_until(3, owner=owner)
    kid = DataKey.objects.values_list("kid", flat=True).first()
    ids = dict(DataKey.objects.values_list("owner", "id"))
    assert shredding.shred_expired(now=LATER) == 2
    for certificate in ShredCertificate.objects.all():
        assert certificate.keys == [str(ids[certificate.owner])]
        assert (certificate.scope, certificate.kids, certificate.reason) == ("until:2026-12-04", [kid], "retention")
        assert is_signed(certificate)
    events = AuditEvent.objects.filter(action="vault.shredded")
    assert {event.thing_id for event in events} == {
        str(public_id) for public_id in ShredCertificate.objects.values_list("public_id", flat=True)
    }
    assert verify().is_sound


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"scope": "x"}, {"at": NOW}, {"keys": []}, {"owner": "b"}, {"reason": "ordered"}])
def test_a_changed_certificate_has_no_signature_of_ours(change: dict[str, Any]) -> None:
    seal_until(3)
    shredding.shred_expired(now=LATER)
    certificate = ShredCertificate.objects.get()
    for name, value in change.items():
        setattr(certificate, name, value)
    assert not is_signed(certificate)


@pytest.mark.django_db
def test_a_certificate_is_never_changed_or_deleted() -> None:
    seal_until(3)
    shredding.shred_expired(now=LATER)
    with pytest.raises(IntegrityError), transaction.atomic():
        ShredCertificate.objects.update(reason="ordered")
    with pytest.raises(IntegrityError), transaction.atomic():
        ShredCertificate.objects.all().delete()


@pytest.mark.django_db
def test_one_send_can_be_shredded_before_its_day() -> None:
    until = datetime.now(UTC) + timedelta(days=9)
    scopes = [vault.only_for("a", thing="submission", public_id=name, keep_until=until) for name in ("x", "y")]
    first, second = (vault.seal(SECRET, scope, account="a") for scope in scopes)
    assert shredding.shred("a", scope_starts="submission:x:", reason="withdrawn", actor=OFFICER, now=NOW) == 1
    assert shredding.shred("a", scope_starts="submission:x:", reason="withdrawn", actor=OFFICER, now=NOW) == 0
    with pytest.raises(vault.Shredded):
        vault.unseal(first, account="a")
    assert vault.unseal(second, account="a") == SECRET
    assert ShredCertificate.objects.get().actor_id == "7"


@pytest.mark.django_db
def test_everything_of_an_account_can_be_shredded_and_nothing_of_another() -> None:
    for owner in ("a", "b"):
        seal_until(3, owner=owner)
        vault.seal(SECRET, account=owner)
    assert shredding.shred("a", scope_starts="", reason="account-closed", actor=OFFICER, now=NOW) == 2
    assert set(DataKey.objects.filter(destroyed_at=None).values_list("owner", flat=True)) == {"b"}


@pytest.mark.django_db(transaction=True)
def test_two_who_shred_at_once_make_one_certificate() -> None:
    seal_until(3)
    start, made = threading.Barrier(2), []

    def work() -> None:
        start.wait()
        made.append(shredding.shred_expired(now=LATER))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [0, 1]
    assert ShredCertificate.objects.count() == 1
    assert verify().is_sound


@pytest.mark.django_db(transaction=True)
def test_the_traces_are_erased_after_the_commit() -> None:
    seal_until(3)
    shredding.shred_expired(now=LATER)
    assert DataKey.objects.get().wrapped is None


@pytest.mark.django_db
def test_the_worker_shreds_every_hour_and_the_command_does_it_now(
    capsys: pytest.CaptureFixture[str], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    seal_until(3)
    seal_until(6)
    with time_machine.travel(LATER, tick=False), django_capture_on_commit_callbacks() as callbacks:
        tasks.shred_expired()
    assert len(callbacks) == 1
    with time_machine.travel(LATER + timedelta(days=5), tick=False):
        call_command("shred_expired", "--json")
    assert json.loads(capsys.readouterr().out) == {"certificates": 1}
