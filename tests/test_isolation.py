"""The tests keep to themselves."""

import socket
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection


def test_files_of_a_test_lie_outside_the_repository() -> None:
    assert not settings.VAR_DIR.is_relative_to(settings.BASE_DIR)
    assert settings.MEDIA_ROOT.is_relative_to(settings.VAR_DIR)


def test_the_settings_file_of_the_developer_is_not_read() -> None:
    assert not Path(settings.ENV_FILE).is_file()


@pytest.mark.django_db
def test_the_test_database_is_not_the_real_one() -> None:
    assert "test" in Path(str(connection.settings_dict["NAME"])).name


def test_the_internet_is_out_of_reach() -> None:
    with pytest.raises(OSError, match="loopback"), socket.socket() as client:
        client.connect(("192.0.2.1", 80))


@pytest.mark.parametrize("_round", [1, 2])
def test_each_test_starts_with_an_empty_cache(_round: int) -> None:
    assert cache.get("left-over") is None
    cache.set("left-over", "x")
