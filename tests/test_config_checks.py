"""System checks: a sound production has no findings, and each dangerous change has exactly its own."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import CheckMessage
from django.test import override_settings

from config import checks, keyring

ALL: tuple[Callable[[], list[CheckMessage]], ...] = (
    checks.check_debug,
    checks.check_key_ring_file,
    checks.check_addresses,
    checks.check_hipaa_hosts,
    checks.check_keys_differ,
    checks.check_folders,
    checks.check_queue,
    checks.check_loggers,
    checks.check_database,
    checks.check_shared_cache,
    checks.check_proxy,
    checks.check_private_networks,
)
REDIS = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://localhost"}}
LOCMEM = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
POSTGRES = {"ENGINE": "django.db.backends.postgresql", "NAME": "sealpost", "OPTIONS": {}}
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/sealpost.sqlite3", "OPTIONS": {}}
QUEUE = {"timeout": 300, "retry": 1200, "queue_limit": 2, "workers": 2}


@pytest.fixture
def production(tmp_path: Path) -> dict[str, Any]:
    """The settings of a sound server; a test changes one of them."""
    var, ring = tmp_path / "var", tmp_path / "ring.json"
    var.mkdir(mode=0o700)
    keyring.write_new(ring)
    return {
        "LOCAL": False,
        "DEBUG": False,
        "VAR_DIR": var,
        "MEDIA_ROOT": var / "media",
        "STATIC_ROOT": tmp_path / "static",
        "KEY_RING_FILE": ring,
        "KEY_RING": keyring.load(ring, create=False),
        "SECRET_KEY": "k" * 60,
        "PUBLIC_URL": "https://mail.example.com",
        "ALLOWED_HOSTS": ["mail.example.com"],
        "DATABASES": {"default": POSTGRES},
        "REDIS_URL": "redis://localhost",
        "CACHES": REDIS,
        "Q_CLUSTER": QUEUE,
        "SECURE_SSL_REDIRECT": True,
        "BEHIND_PROXY": True,
        "NET_ALLOW_PRIVATE": False,
    }


def found(given: dict[str, Any]) -> list[CheckMessage]:
    # Django warns when override_settings changes DATABASES; nothing connects here.
    databases = given["DATABASES"]
    others = {name: value for name, value in given.items() if name != "DATABASES"}
    with override_settings(**others), pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "DATABASES", databases)
        return [message for check in ALL for message in check()]


def assert_only(given: dict[str, Any], expected: str) -> None:
    (message,) = found(given)
    assert message.id == f"sealpost.{expected}"
    assert message.hint


def test_a_sound_production_has_no_findings(production: dict[str, Any]) -> None:
    assert found(production) == []


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        ("E001", {"DEBUG": True}),
        ("E003", {"BASE_DIR": Path("/")}),
        ("E004", {"PUBLIC_URL": "http://mail.example.com"}),
        ("E005", {"ALLOWED_HOSTS": []}),
        ("E005", {"ALLOWED_HOSTS": ["*"]}),
        ("E006", {"ALLOWED_HOSTS": ["other.example.com"]}),
        ("E009", {"Q_CLUSTER": QUEUE | {"retry": 750}}),
        ("E009", {"Q_CLUSTER": QUEUE | {"queue_limit": 8}}),
        ("E011", {"DATABASES": {"default": POSTGRES | {"OPTIONS": {"pool": True}}}}),
        ("E014", {"DATABASES": {"default": SQLITE | {"NAME": ":memory:"}}, "REDIS_URL": ""}),
        ("W001", {"DATABASES": {"default": SQLITE}}),
        ("W002", {"CACHES": LOCMEM}),
        ("W003", {"BEHIND_PROXY": False}),
        ("W004", {"NET_ALLOW_PRIVATE": True}),
        ("E030", {"HIPAA_HOSTS": ["mail.example.com"]}),
        ("E031", {"HIPAA_NETWORKS": ["192.0.2.7/24"]}),
        ("W030", {"HIPAA_HOSTS": ["hipaa.example.com"], "BEHIND_PROXY": False, "SECURE_SSL_REDIRECT": False}),
    ],
)
def test_a_dangerous_setting_is_found(production: dict[str, Any], expected: str, change: dict[str, Any]) -> None:
    assert_only(production | change, expected)


@pytest.mark.parametrize(
    "change", [{"PUBLIC_URL": "https://[::1]:8443", "ALLOWED_HOSTS": ["[::1]"]}, {"ALLOWED_HOSTS": [".example.com"]}]
)
def test_the_public_host_is_recognised_in_every_form(production: dict[str, Any], change: dict[str, Any]) -> None:
    assert found(production | change) == []


def test_a_key_ring_that_others_can_read_is_found(production: dict[str, Any]) -> None:
    production["KEY_RING_FILE"].chmod(0o640)
    assert_only(production, "E002")


def test_one_key_for_two_purposes_is_found(production: dict[str, Any]) -> None:
    ring = production["KEY_RING"]
    assert_only(production | {"KEY_RING": dataclasses.replace(ring, token=ring.index)}, "E007")


def test_a_secret_key_taken_from_the_ring_is_found(production: dict[str, Any]) -> None:
    key = json.loads(production["KEY_RING_FILE"].read_text())["token"]
    assert_only(production | {"SECRET_KEY": key}, "E007")


def test_imports_inside_the_static_folder_are_found(production: dict[str, Any]) -> None:
    assert_only(production | {"MEDIA_ROOT": production["STATIC_ROOT"] / "media"}, "E008")


def test_a_missing_folder_for_data_is_found(production: dict[str, Any]) -> None:
    assert_only(production | {"VAR_DIR": production["VAR_DIR"] / "typo"}, "E012")


def test_a_folder_for_data_that_is_open_to_everybody_is_found(production: dict[str, Any]) -> None:
    production["VAR_DIR"].chmod(0o755)
    assert_only(production, "E013")


@pytest.mark.parametrize(("name", "level"), [("django.db.backends", logging.DEBUG), ("mail.log", logging.INFO)])
def test_a_logger_that_writes_addresses_is_found(
    production: dict[str, Any], name: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(level, logger=name)
    assert_only(production, "E010")


def test_the_machine_of_a_developer_has_no_findings(production: dict[str, Any]) -> None:
    local = {
        "LOCAL": True,
        "DEBUG": True,
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "DATABASES": {"default": SQLITE},
        "REDIS_URL": "",
        "CACHES": LOCMEM,
        "BEHIND_PROXY": False,
        "BASE_DIR": Path("/"),
        "NET_ALLOW_PRIVATE": True,
    }
    assert found(production | local) == []
