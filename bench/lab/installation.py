"""Installations of our own: a folder, a database, a queue, gone at the end."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql

from bench.lab import children

SERVER = os.environ.get("DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"


class Installation:
    """Settings, keys and database of one Sealpost; nothing is shared with another."""

    def __init__(self, folder: Path, *, engine: str, database_url: str, redis_url: str = "") -> None:
        self.folder, self.engine, self.database_url = folder, engine, database_url
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}},
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "VAR_DIR": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LOG_LEVEL": "WARNING",
            # On a shared queue somebody else's worker would take our jobs.
            "INSTANCE": f"bench-{secrets.token_hex(6)}",
        }

    def query(self, statement: str) -> int:
        """The one number a query gives."""
        if self.engine == "postgresql":
            with psycopg.connect(self.database_url, autocommit=True) as postgres:
                row = postgres.execute(statement.encode()).fetchone()
        else:
            with contextlib.closing(sqlite3.connect(self.folder / "sealpost.sqlite3", timeout=20)) as sqlite:
                row = sqlite.execute(statement).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def installed(engine: str, *, redis_url: str = "") -> Iterator[Installation]:
    """A migrated installation on the engine (`sqlite` or `postgresql`)."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, database(engine) as url:
        installation = Installation(Path(folder), engine=engine, database_url=url, redis_url=redis_url)
        children.run_module("bench.lab.scene", "migrate", env=installation.environment)
        yield installation


@contextmanager
def database(engine: str) -> Iterator[str]:
    """The address of a new, empty database; '' for the SQLite file of the installation."""
    if engine == "sqlite":
        yield ""
        return
    name = f"sealpost_bench_{os.getpid()}_{secrets.token_hex(3)}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
        finally:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def postgresql_version() -> str:
    """`PostgreSQL 17.2` when the server answers, else ''."""
    try:
        with psycopg.connect(SERVER, connect_timeout=3) as server:
            return f"PostgreSQL {server.info.server_version // 10000}.{server.info.server_version % 10000}"
    except psycopg.Error:
        return ""


def redis_url() -> str:
    """Where a Redis answers (REDIS_URL, else 127.0.0.1), else ''."""
    url = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0"
    try:
        redis.Redis.from_url(url, socket_connect_timeout=2).ping()
    except redis.RedisError:
        return ""
    return url
