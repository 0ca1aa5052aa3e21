"""What the database itself refuses: changing evidence, and deleting it before its six years are over.

45 CFR 164.316(b)(2)(i): documentation is kept for six years from its creation or from when it last was in effect. The
triggers hold against the ORM, raw SQL and a forgotten admin action alike; a superuser of the database can drop them, and
the chain of the audit trail shows what was done then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_migrate
from django.dispatch import receiver

YEARS = 6


@dataclass(frozen=True, slots=True)
class Guard:
    """A table of evidence; `clock` is the column from which its years count. Only some may be changed meanwhile.

    `ends` are columns that say when it last was in effect: its years count from the latest, and while all of them are
    empty they have not begun.
    """

    table: str
    clock: str
    may_change: bool = False
    ends: tuple[str, ...] = ()

    def is_young(self, limit: str) -> str:
        """The condition under which a row is kept, for a moment that many years ago as the database writes it."""
        later = " OR ".join(f"OLD.{column} > {limit}" for column in (self.clock, *self.ends))
        is_open = " AND ".join(f"OLD.{column} IS NULL" for column in self.ends)
        return f"({later} OR ({is_open}))" if self.ends else f"({later})"


GUARDS = (
    Guard("compliance_auditevent", "at"),
    Guard("compliance_auditcheckpoint", "at"),
    Guard("compliance_shredcertificate", "at"),
    Guard("compliance_disclosure", "at"),
    Guard("compliance_selfcheck", "at"),
    Guard("compliance_acknowledgement", "at"),
    Guard("compliance_terms", "published_at"),
    Guard("compliance_baa", "kept_from", may_change=True),
    Guard("compliance_replymailbox", "attested_at", may_change=True, ends=("withdrawn_at",)),
    Guard("compliance_authorization", "recorded_at", may_change=True, ends=("expires_on", "revoked_at")),
    Guard("compliance_activityreview", "made_at", may_change=True),
    Guard("compliance_emergencyaccess", "opened_at", may_change=True),
    Guard("compliance_incident", "opened_at", may_change=True),
    Guard("compliance_vote", "at"),
    Guard("compliance_attestation", "at"),
    Guard("compliance_contribution", "at"),
    Guard("compliance_approval", "submitted_at", may_change=True),
    Guard("compliance_sendprotocol", "ends_at", may_change=True),
    Guard("compliance_detectorexception", "made_at", may_change=True),
    Guard("compliance_stop", "ordered_at", may_change=True),
)


def install_guards(connection: BaseDatabaseWrapper) -> None:
    """Make what is missing of the triggers: after every migration, because SQLite loses them when a table changes."""
    missing = find_missing(connection)
    if not missing:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_FUNCTIONS)
        for statement in missing.values():
            cursor.execute(statement)


def find_missing(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """The triggers this database lacks, each with the statement that makes it; tables that are not there lack none."""
    tables = set(connection.introspection.table_names())
    wanted: dict[str, str] = {}
    for guard in GUARDS:
        if guard.table in tables:
            wanted |= _SQL[connection.vendor](guard)
    with connection.cursor() as cursor:
        cursor.execute(_PRESENT[connection.vendor])
        present = {row[0] for row in cursor.fetchall()}
    return {name: statement for name, statement in wanted.items() if name not in present}


def remove_guards(connection: BaseDatabaseWrapper) -> None:
    """Drop the triggers: for tests, which empty all tables."""
    with connection.cursor() as cursor:
        for guard in GUARDS:
            on = f" ON {guard.table}" if connection.vendor == "postgresql" else ""
            for name in _SQL[connection.vendor](guard):
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


@contextlib.contextmanager
def guards_lifted(connection: BaseDatabaseWrapper) -> Generator[None]:
    """Without the triggers for a while; nothing happens where there is nothing to guard."""
    if not _has_evidence(connection):
        yield
        return
    remove_guards(connection)
    try:
        yield
    finally:
        install_guards(connection)


@receiver(post_migrate)
def _install_after_migration(using: str, **_: Any) -> None:
    install_guards(connections[using])


def _has_evidence(connection: BaseDatabaseWrapper) -> bool:
    there = " OR ".join(f"EXISTS (SELECT 1 FROM {guard.table})" for guard in GUARDS)  # noqa: S608 (our names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {there}")
        return bool(cursor.fetchone()[0])


def _sqlite(guard: Guard) -> dict[str, str]:
    young = guard.is_young(f"datetime('now', '-{YEARS} years')")
    triggers = {
        f"{guard.table}_delete": f"BEFORE DELETE ON {guard.table} WHEN {young} "
        f"BEGIN SELECT RAISE(ABORT, 'evidence is kept for {YEARS} years'); END"
    }
    if not guard.may_change:
        triggers[f"{guard.table}_update"] = (
            f"BEFORE UPDATE ON {guard.table} BEGIN SELECT RAISE(ABORT, 'evidence is never changed'); END"
        )
    return {name: f"CREATE TRIGGER {name} {rest}" for name, rest in triggers.items()}


def _postgresql(guard: Guard) -> dict[str, str]:
    young = guard.is_young(f"now() - interval '{YEARS} years'")
    triggers = {
        f"{guard.table}_delete": f"BEFORE DELETE ON {guard.table} FOR EACH ROW WHEN {young} "
        f"EXECUTE FUNCTION compliance_refuse('evidence is kept for {YEARS} years')",
        # An empty table has nothing to lose, and tests empty them all.
        f"{guard.table}_truncate": f"BEFORE TRUNCATE ON {guard.table} FOR EACH STATEMENT "
        "EXECUTE FUNCTION compliance_refuse_if_filled()",
    }
    if not guard.may_change:
        triggers[f"{guard.table}_update"] = (
            f"BEFORE UPDATE ON {guard.table} FOR EACH ROW EXECUTE FUNCTION compliance_refuse('evidence is never changed')"
        )
    return {name: f"CREATE TRIGGER {name} {rest}" for name, rest in triggers.items()}


_POSTGRESQL_FUNCTIONS = """
CREATE OR REPLACE FUNCTION compliance_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE OR REPLACE FUNCTION compliance_refuse_if_filled() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE filled boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', TG_TABLE_NAME) INTO filled;
    IF filled THEN
        RAISE EXCEPTION 'evidence is never emptied' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;
"""
_SQL = {"sqlite": _sqlite, "postgresql": _postgresql}
_PRESENT = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'",
}
