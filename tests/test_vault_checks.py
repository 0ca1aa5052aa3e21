"""System checks of the keys: each dangerous change of a sound installation has exactly its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from compliance import vault
from compliance.models import DataKey
from compliance.vault import checks

SERVICE = {
    **configured.KEY_SERVICE,
    "url": "https://keys.internal:8200", "key": "sealpost", "token": "t", "region": "eu-north-1",
    "access_key_id": "a", "secret_access_key": "s",
}  # fmt: skip


def found(settings: Settings, **changes: Any) -> list[str]:
    for name, value in changes.items():
        setattr(settings, name, value)
    return [str(check.id) for check in (*checks.check_key_provider(), *checks.check_key_ring_place())]


@pytest.mark.parametrize("provider", ["local", "aws", "vault"])
def test_a_sound_provider_has_no_findings(settings: Settings, provider: str) -> None:
    assert found(settings, KEY_PROVIDER=provider, KEY_SERVICE=SERVICE) == []


@pytest.mark.parametrize(
    ("provider", "name", "variable"),
    [
        ("aws", "key", "KEY_SERVICE_KEY"),
        ("aws", "region", "AWS_REGION"),
        ("aws", "access_key_id", "AWS_ACCESS_KEY_ID"),
        ("aws", "secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        ("vault", "key", "KEY_SERVICE_KEY"),
        ("vault", "url", "KEY_SERVICE_URL"),
        ("vault", "token", "VAULT_TOKEN"),
    ],
)
def test_a_key_service_without_one_of_its_settings_is_refused(
    settings: Settings, provider: str, name: str, variable: str
) -> None:
    assert found(settings, KEY_PROVIDER=provider, KEY_SERVICE={**SERVICE, name: ""}) == ["compliance.E002"]
    assert variable in str(checks.check_key_provider()[0].hint)


@pytest.mark.parametrize(
    "url", ["http://vault.internal:8200", "http://10.0.0.1", "ftp://127.0.0.1", "vault", "https://"]
)
def test_a_key_service_in_the_clear_is_refused(settings: Settings, url: str) -> None:
    assert found(settings, KEY_PROVIDER="vault", KEY_SERVICE={**SERVICE, "url": url}) == ["compliance.E003"]


def test_a_key_service_on_this_machine_may_be_plain(settings: Settings) -> None:
    assert found(settings, KEY_PROVIDER="vault", KEY_SERVICE={**SERVICE, "url": "http://127.0.0.1:8200"}) == []


@pytest.mark.parametrize("folder", ["media", "."])
def test_a_key_ring_beside_the_data_is_refused_on_a_server(
    settings: Settings, tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Django warns when settings.DATABASES is changed; nothing connects here.
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "sealpost.sqlite3")}
    monkeypatch.setitem(settings.DATABASES, "default", {**settings.DATABASES["default"], **database})
    changes = {"MEDIA_ROOT": tmp_path / "media", "KEY_RING_FILE": tmp_path / folder / "ring.json"}
    assert found(settings, LOCAL=True, **changes) == []
    assert found(settings, LOCAL=False) == ["compliance.E004"]
    assert found(settings, KEY_RING_FILE=tmp_path.parent / "ring.json") == []


@pytest.mark.django_db
def test_data_keys_whose_root_key_is_lost_are_told_about() -> None:
    vault.seal(b"x", account="a")
    assert checks.check_data_keys(databases=["default"]) == []
    DataKey.objects.update(kid="aws:elsewhere")
    assert checks.check_data_keys(databases=["default"]) == []
    DataKey.objects.update(kid="local:1999-01")
    assert [check.id for check in checks.check_data_keys(databases=["default"])] == ["compliance.E005"]
    assert checks.check_data_keys(databases=None) == []
