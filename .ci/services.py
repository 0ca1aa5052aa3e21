"""Finds PostgreSQL and Redis on loopback for .ci/run; makes and removes the database of one run.

PGUSER, PGPASSWORD and PGPORT choose who connects (default: postgres without a password on 5432).
"""

from __future__ import annotations

import os
import sys

import psycopg
import redis
from psycopg import sql

USER, PORT = os.environ.get("PGUSER", "postgres"), os.environ.get("PGPORT", "5432")
REDIS_URL = "redis://127.0.0.1:6379/0"


def _connect() -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=PORT, user=USER, dbname="postgres", connect_timeout=5, autocommit=True
    )


def make_database() -> str:
    """Shell assignments for a run on both services; raises when one does not answer."""
    redis.Redis.from_url(REDIS_URL, socket_connect_timeout=5).ping()
    name = f"sealpost_ci_{os.getpid()}"
    with _connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"database={name} database_url=postgres://{USER}@127.0.0.1:{PORT}/{name} redis_url={REDIS_URL}"


def drop_database(name: str) -> None:
    """Remove the database of the run and the ones its tests left behind when they were killed."""
    with _connect() as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"%{name}%"])
        for (found,) in rows.fetchall():
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(found)))


if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["drop"]:
            drop_database(sys.argv[2])
        else:
            sys.stdout.write(make_database())
    except (psycopg.Error, redis.RedisError) as error:
        sys.exit(f"PostgreSQL and Redis: {type(error).__name__}: {error}")
