#!/usr/bin/env python
"""Contacts imported per second, against the bare insert of the same rows, in one run.

Run with `python bench/import_contacts.py [rows]`, on SQLite or with DATABASE_URL on PostgreSQL. The bare insert is
executemany (SQLite) or COPY (PostgreSQL) of parsed rows into a table like the contacts' one: no parsing, no checking,
no subscriptions, no repeats. It works in a database of its own. The last line is the figure and the ratio.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FOLDER = tempfile.TemporaryDirectory(prefix="bench-import-")
os.environ["VAR_DIR"] = FOLDER.name
os.environ["LOG_LEVEL"] = "ERROR"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
GIVEN = os.environ.get("DATABASE_URL", "")
NAME = f"bench_import_{os.getpid()}"
if GIVEN.startswith("postgres"):
    import psycopg

    with psycopg.connect(GIVEN, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {NAME}")
    os.environ["DATABASE_URL"] = urlsplit(GIVEN)._replace(path=f"/{NAME}").geturl()
else:
    os.environ.pop("DATABASE_URL", None)

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from bench.make_contacts import make_rows, write_contacts  # noqa: E402
from campaigns.audiences import importing  # noqa: E402
from campaigns.models import Account, ContactList, ImportJob  # noqa: E402

ROUNDS = 3
BARE_CHUNK = 4000


def run_import(file: Path, *, account: Account, number: int) -> tuple[float, ImportJob]:
    audience = ContactList.objects.create(account=account, name=f"List {number}", slug=f"list-{number}")
    job = importing.start_import(account, list=audience, file=file, filename=file.name, consent_kind="express")
    begun, cpu = time.perf_counter(), time.process_time()
    job = importing.run_import(job.pk)
    spent = time.perf_counter() - begun
    # Own processor time tells a busy machine from a slow import (PostgreSQL's share is not in it).
    print(f"{job.position / (time.process_time() - cpu):,.0f} rows per second of our own processor time")
    return spent, job


def insert_bare(rows: list[tuple[str, ...]], *, number: int) -> float:
    """The same rows into a table with the same columns and unique keys, nothing else."""
    postgres = connection.vendor == "postgresql"
    table = f"bare_{number}"
    kinds = ("jsonb", "uuid") if postgres else ("text", "text")
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {table} (id {'bigserial' if postgres else 'integer'} PRIMARY KEY, address_key text UNIQUE,"
            f" email text, domain text, attributes {kinds[0]}, public_id {kinds[1]} UNIQUE)"
        )
        columns = "(address_key, email, domain, attributes, public_id)"
        begun = time.perf_counter()
        for start in range(0, len(rows), BARE_CHUNK):
            part = rows[start : start + BARE_CHUNK]
            with transaction.atomic():
                if postgres:
                    with cursor.copy(f"COPY {table} {columns} FROM STDIN") as copy:
                        for row in part:
                            copy.write_row(row)
                else:
                    cursor.executemany(f"INSERT INTO {table} {columns} VALUES (%s, %s, %s, %s, %s)", part)
        spent = time.perf_counter() - begun
        cursor.execute(f"DROP TABLE {table}")
    return spent


def bare_rows(count: int) -> list[tuple[str, ...]]:
    return [
        (f"{number:043d}", cells[0], cells[0].rpartition("@")[2], '{"notes":"%s"}' % ("x" * 180), uuid4().hex)
        for number, cells in enumerate(make_rows(count, clean=True))
    ]


def main(count: int) -> None:
    call_command("migrate", verbosity=0)
    file = Path(FOLDER.name) / "contacts.csv"
    write_contacts(file, count=count)
    rates: dict[str, list[float]] = {"bare": [], "new": [], "again": []}
    for number in range(ROUNDS):
        rates["bare"].append(count / insert_bare(bare_rows(count), number=number))
        account = Account.objects.create(name="Bench", slug=f"bench-{number}")
        for kind in ("new", "again"):
            spent, job = run_import(file, account=account, number=number * 2 + (kind == "again"))
            rates[kind].append(count / spent)
            print(f"{kind}: {job.position:,} rows, {job.created:,} new, {job.updated:,} updated, "
                  f"{job.duplicates:,} duplicates, {job.rejected:,} rejected in {spent:.1f} s")  # fmt: skip
    best = {kind: statistics.median(values) for kind, values in rates.items()}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{connection.vendor}: bare insert {best['bare']:,.0f} rows/s; importing known people {best['again']:,.0f} rows/s;"
          f" largest memory {memory} MB (with the bare rows held for comparison)")  # fmt: skip
    print(f"import_contacts {best['new']:,.0f} rows/s, {best['new'] / best['bare']:.2f} of the bare insert")


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
    finally:
        connection.close()
        if GIVEN.startswith("postgres"):
            with psycopg.connect(GIVEN, autocommit=True) as server:
                server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        FOLDER.cleanup()
