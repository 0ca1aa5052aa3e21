"""What every test stands on: no network but loopback, and a cache of its own."""

import ipaddress
import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.db.backends.base.operations import BaseDatabaseOperations
from django.test import override_settings
from hypothesis import settings as hypothesis_settings

from campaigns.tracking.hosts import forget_hosts
from campaigns.tracking.targets import forget_targets
from compliance.models.guards import guards_lifted
from compliance.vault.keys import forget_open_keys
from tests import migrated
from tests.browser import browser, open_eyes  # noqa: F401 - fixtures for every test

# From this limit on, in seconds, a test is one with whole processes of ours.
MINUTES = 300
# A property may take long on a busy machine; the time limit of each test is pytest's.
hypothesis_settings.register_profile("sealpost", deadline=None)
hypothesis_settings.load_profile("sealpost")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """pytest-django's place to say how the database of a process comes to be: as a copy of a migrated one."""
    test = settings.DATABASES["default"]["TEST"]
    if connection.vendor == "sqlite":
        migrated.copy_file(Path(test["NAME"]))
    else:
        test["TEMPLATE"] = migrated.template()


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The file that was copied is to be used; it goes with its folder."""
    return connection.vendor == "sqlite"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes comes first on every worker: begun last, it would be what all wait for in the end.

    Each worker gets an equal part of the list, and who has none left takes from the end of another's.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long: dict[Path, list[pytest.Item]] = {}
    others: list[pytest.Item] = []
    for item in items:
        limit = item.get_closest_marker("timeout")
        (long.setdefault(item.path, []) if limit and limit.args[0] >= MINUTES else others).append(item)
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        size = (len(items) - len(ordered)) // (workers - worker)
        first = [item for module in list(long.values())[worker::workers] for item in module]
        filling = max(size - len(first), 0)
        ordered += first + others[:filling]
        del others[:filling]
    items[:] = ordered + others


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        migrated.drop_template()


_connect = socket.socket.connect


def _connect_on_loopback(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6}:
        host = str(address[0])
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise OSError("Tests reach loopback only: fake the network instead.")
    _connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """A test that reaches for the internet fails at once, on every machine alike."""
    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", _connect_on_loopback)
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def tables_of_evidence_can_be_emptied() -> Iterator[None]:
    """Tests with transactions of their own empty all tables afterwards, which the database refuses for evidence.

    PostgreSQL needs a second to TRUNCATE so many tables and milliseconds to delete the few rows of a test.
    """
    empty = BaseDatabaseOperations.execute_sql_flush

    def lift_and_empty(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        if self.connection.vendor == "postgresql":
            tables = re.findall(r'"(\w+)"', " ".join(sql_list))
            sql_list = [f'DELETE FROM "{table}"' for table in tables]  # noqa: S608 (our names)
        with guards_lifted(self.connection):
            empty(self, sql_list)

    patch = pytest.MonkeyPatch()
    patch.setattr(BaseDatabaseOperations, "execute_sql_flush", lift_and_empty)
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    """An empty cache for each test; a new prefix does on a shared Redis what clear() must not."""
    ours = {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid4().hex}"}
    with override_settings(CACHES={**settings.CACHES, "default": ours}):
        # What this process knows about links and hosts belongs to rows of the test before.
        forget_targets()
        forget_hosts()
        yield


@pytest.fixture(autouse=True)
def no_open_keys() -> None:
    """Keys a test before left open belong to rows that are gone."""
    forget_open_keys()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that runs and can be set forward."""
    with time_machine.travel(datetime.now(UTC), tick=True) as traveller:
        yield traveller
