"""Root keys: one contract for the key ring, AWS KMS and Vault's transit engine, and what each adds."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from compliance.vault import KeysUnavailable, SealBroken, roots
from compliance.vault.aws import AwsKms
from compliance.vault.aws_signing import Credentials, _signing_key, sign
from compliance.vault.local import KeyRingFile
from compliance.vault.roots import RootKeys
from compliance.vault.transit import VaultTransit
from config import keyring
from tests.http_server import Reply
from tests.key_services import SECRET, KeyService, KmsStub, TransitStub

BARE = os.urandom(64)


@pytest.fixture
def kms() -> Iterator[KmsStub]:
    with KmsStub() as stub:
        yield stub


@pytest.fixture
def transit() -> Iterator[TransitStub]:
    with TransitStub() as stub:
        yield stub


@pytest.fixture
def ring(settings: Settings, tmp_path: Path) -> keyring.KeyRing:
    """A key ring of this test's own."""
    made = keyring.load(tmp_path / "ring.json", create=True)
    settings.KEY_RING = made
    return made


class RootKeysContract:
    """What every place that holds root keys promises."""

    def test_what_it_wraps_it_unwraps(self, root: RootKeys) -> None:
        kid, wrapped = root.wrap(BARE)
        assert kid == root.active_kid()
        assert root.unwrap(kid, wrapped) == BARE

    def test_wrapping_hides_and_never_repeats(self, root: RootKeys) -> None:
        first, second = root.wrap(BARE)[1], root.wrap(BARE)[1]
        assert first != second
        assert BARE not in first

    def test_what_it_did_not_wrap_does_not_unwrap(self, root: RootKeys) -> None:
        kid, wrapped = root.wrap(BARE)
        for changed in (wrapped[:-4] + bytes(4), b"", os.urandom(len(wrapped))):
            with pytest.raises(SealBroken):
                root.unwrap(kid, changed)

    def test_rewrapping_keeps_the_bare_bytes(self, root: RootKeys) -> None:
        kid, wrapped = root.wrap(BARE)
        again, rewrapped = root.rewrap(kid, wrapped)
        assert rewrapped != wrapped
        assert root.unwrap(again, rewrapped) == BARE

    def test_a_new_key_wraps_and_the_old_one_still_unwraps(self, root: RootKeys) -> None:
        kid, wrapped = root.wrap(BARE)
        newer = self.change(root)
        assert newer.active_kid() != kid
        assert newer.wrap(BARE)[0] == newer.active_kid()
        assert newer.unwrap(kid, wrapped) == BARE
        again, rewrapped = newer.rewrap(kid, wrapped)
        assert again == newer.active_kid()
        assert newer.unwrap(again, rewrapped) == BARE

    def test_a_destroyed_key_unwraps_nothing(self, root: RootKeys) -> None:
        kid, wrapped = root.wrap(BARE)
        newer = self.change(root)
        assert newer.destroy(kid)
        with pytest.raises((SealBroken, KeysUnavailable)):
            newer.unwrap(kid, wrapped)
        assert newer.unwrap(*newer.wrap(BARE)) == BARE

    def change(self, root: RootKeys) -> RootKeys:
        root.add()
        return root


class ServiceContract(RootKeysContract):
    """A place that is asked over HTTP."""

    @pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
    def test_a_service_that_refuses_is_unavailable_and_not_broken(
        self, root: RootKeys, stub: KeyService, status: int
    ) -> None:
        kid, wrapped = root.wrap(BARE)
        stub.answer = lambda _: Reply.of({"errors": ["no"], "__type": "AccessDeniedException"}, status)
        for call in (root.active_kid, lambda: root.unwrap(kid, wrapped), lambda: root.rewrap(kid, wrapped)):
            if call == root.active_kid and isinstance(root, AwsKms):
                continue  # known without asking
            with pytest.raises(KeysUnavailable):
                call()

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"data": 7}', b'{"Plaintext": "%"}'])
    def test_an_answer_that_makes_no_sense_is_unavailable(self, root: RootKeys, stub: KeyService, body: bytes) -> None:
        kid, wrapped = root.wrap(BARE)
        stub.answer = lambda _: Reply(200, body)
        with pytest.raises(KeysUnavailable):
            root.unwrap(kid, wrapped)
        with pytest.raises(KeysUnavailable):
            root.wrap(BARE)

    def test_a_service_that_hangs_up_once_is_asked_again(self, root: RootKeys, stub: KeyService) -> None:
        kid, wrapped = root.wrap(BARE)
        replies = iter([Reply(hang_up=True)])
        stub.answer = lambda asked: next(replies, None) or stub.serve(asked)
        assert root.unwrap(kid, wrapped) == BARE

    def test_nothing_secret_shows_in_errors_logs_and_reprs(
        self, root: RootKeys, stub: KeyService, caplog: pytest.LogCaptureFixture
    ) -> None:
        stub.answer = lambda _: Reply.of({"message": "s3cret"}, 403)
        with caplog.at_level(logging.DEBUG), pytest.raises(KeysUnavailable) as caught:
            root.wrap(BARE)
        shown = f"{caught.value!r} {caplog.text} {root!r} {vars(root)!r}"
        assert SECRET not in shown
        assert "s3cret" not in shown


class TestKeyRing(RootKeysContract):
    @pytest.fixture
    def root(self, ring: keyring.KeyRing) -> RootKeys:  # noqa: ARG002
        return KeyRingFile()

    def test_a_key_another_process_added_is_known_without_a_restart(
        self, root: RootKeys, ring: keyring.KeyRing, settings: Settings
    ) -> None:
        settings.KEY_RING = keyring.load(ring.path, create=False) if ring.path else ring
        other = replace(settings.KEY_RING)
        kid = settings.KEY_RING.add_sealing_key()
        wrapped = root.wrap(BARE)[1]
        settings.KEY_RING = other
        assert root.unwrap(kid, wrapped) == BARE
        assert root.active_kid() == kid

    def test_the_active_key_cannot_be_destroyed(self, root: RootKeys) -> None:
        with pytest.raises(ValueError, match="active"):
            root.destroy(root.active_kid())


class TestAwsKms(ServiceContract):
    @pytest.fixture
    def stub(self, kms: KmsStub) -> KmsStub:
        return kms

    @pytest.fixture
    def root(self, kms: KmsStub) -> RootKeys:
        return AwsKms(kms.settings())

    def change(self, root: RootKeys) -> RootKeys:
        assert isinstance(root, AwsKms)
        return AwsKms({**KmsStub.settings(_stub_of(root)), "key": "key-2"})

    def test_the_bare_key_is_not_sent_for_rewrapping(self, root: RootKeys, kms: KmsStub) -> None:
        kid, wrapped = root.wrap(BARE)
        kms.actions.clear()
        root.rewrap(kid, wrapped)
        assert kms.actions == ["ReEncrypt"]

    def test_a_wrong_secret_is_refused(self, kms: KmsStub) -> None:
        with pytest.raises(KeysUnavailable):
            AwsKms({**kms.settings(), "secret_access_key": "wrong"}).wrap(BARE)

    def test_a_session_token_is_signed_too(self, kms: KmsStub) -> None:
        root = AwsKms({**kms.settings(), "session_token": "FwoGZXIvYXdzE"})
        assert root.unwrap(*root.wrap(BARE)) == BARE
        assert "x-amz-security-token" in kms.asked[0].headers["authorization"]

    def test_a_key_that_is_not_found_may_be_a_wrong_region_and_gives_nothing_up(self, root: RootKeys) -> None:
        _, wrapped = root.wrap(BARE)
        with pytest.raises(KeysUnavailable):
            root.unwrap("aws:elsewhere", wrapped)

    def test_the_signing_key_is_the_one_of_the_documentation(self) -> None:
        """Example of the AWS General Reference, `Deriving the signing key`."""
        credentials = Credentials("AKIDEXAMPLE", SECRET, "", "us-east-1", "iam")
        key = _signing_key(credentials, "20120215/us-east-1/iam/aws4_request")
        assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"

    def test_credentials_show_no_secret(self) -> None:
        credentials = Credentials("AKIDEXAMPLE", SECRET, "t0ken", "eu-north-1")
        assert SECRET not in repr(credentials)
        assert "t0ken" not in repr(credentials)
        headers = sign(
            credentials, url="https://kms", action="Encrypt", content={}, now=datetime(2026, 1, 1, tzinfo=UTC)
        )
        assert SECRET not in str(headers)


class TestVaultTransit(ServiceContract):
    @pytest.fixture
    def stub(self, transit: TransitStub) -> TransitStub:
        return transit

    @pytest.fixture
    def root(self, transit: TransitStub) -> RootKeys:
        return VaultTransit(transit.settings())

    def test_a_wrong_token_is_refused(self, transit: TransitStub) -> None:
        with pytest.raises(KeysUnavailable):
            VaultTransit({**transit.settings(), "token": "wrong"}).wrap(BARE)

    def test_a_data_key_opens_by_the_name_that_wrapped_it(self, root: RootKeys, transit: TransitStub) -> None:
        kid, wrapped = root.wrap(BARE)
        other = VaultTransit({**transit.settings(), "key": "another"})
        assert other.unwrap(kid, wrapped) == BARE
        assert transit.asked[-1].path.endswith("/decrypt/sealpost")


def test_the_provider_is_chosen_by_the_setting_and_by_the_keys_id(settings: Settings, kms: KmsStub) -> None:
    assert isinstance(roots.active_root(), KeyRingFile)
    settings.KEY_SERVICE = kms.settings()
    settings.KEY_PROVIDER = "aws"
    assert isinstance(roots.active_root(), AwsKms)
    assert roots.root_of("aws:key-1") is roots.active_root()
    assert isinstance(roots.root_of("vault:sealpost:v1"), VaultTransit)
    assert isinstance(roots.root_of(configured.KEY_RING.active), KeyRingFile)


def test_a_service_nobody_answers_for_is_unavailable(kms: KmsStub) -> None:
    root = AwsKms({**kms.settings(), "url": "http://127.0.0.1:9"})
    with pytest.raises(KeysUnavailable):
        root.wrap(BARE)


def _stub_of(root: AwsKms) -> KmsStub:
    stub = KmsStub.__new__(KmsStub)
    stub.url = root._service.base_url
    return stub
