"""Queries compiled once and rows made quickly: for doors where the ORM costs several times what the database does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from threading import local
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models.base import ModelState

Row = TypeVar("Row", bound=models.Model)


def open_cursor() -> CursorWrapper:
    """A cursor for statements that come again and again with other parameters.

    On PostgreSQL the parameters travel beside the statement, not in it as with Django's own cursors; from the fifth time
    on the server knows the statement by its name, and its plan.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "postgresql":
        return database.cursor()
    database.ensure_connection()
    with database.wrap_database_errors:
        cursor = _bind(database)
    return database.make_debug_cursor(cursor) if database.queries_logged else database.make_cursor(cursor)


def _bind(database: BaseDatabaseWrapper) -> Any:
    from django.db.backends.postgresql.base import ServerBindingCursor  # noqa: PLC0415 - psycopg may not be installed

    # The stubs do not know what it derives from.
    return ServerBindingCursor(database.connection)  # type: ignore[call-arg]


def _ask(sql: str, params: Sequence[Any]) -> Any:
    """The rows of a query; on PostgreSQL by a cursor that is kept, and without Django's layers when nobody listens there."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "postgresql" or database.queries_logged or database.execute_wrappers:
        with open_cursor() as cursor:
            cursor.execute(sql, params)
            return cursor.fetchall()
    database.ensure_connection()
    database.validate_no_broken_transaction()
    with database.wrap_database_errors:
        kept: Any = getattr(_cursors, "kept", None)
        if kept is None or kept.connection is not database.connection or kept.closed:
            kept = _cursors.kept = _bind(database)
        return kept.execute(sql, params).fetchall()


_cursors = local()


class Prepared(Generic[Row]):
    """A query of whole rows, with `select_related` if need be, that differs only in its parameters.

    `make` gives the queryset once for each thread, filtered by any values: as many as `fetch` is called with, in the
    same order, and already as the database takes them. With `sql` that statement is run instead: its columns are those
    of the queryset's model, in their order.
    """

    def __init__(self, make: Callable[[], models.QuerySet[Row]], *, sql: str = "") -> None:
        self._make = make
        self._sql = sql
        self._known = local()

    def fetch(self, *params: str | int | datetime | None) -> list[Row]:
        """The rows for these parameters, as the queryset would give them."""
        compiled: _Compiled | None = getattr(self._known, "compiled", None)
        if compiled is None:
            compiled = self._known.compiled = _Compiled(self._make(), self._sql)
        return compiled.build(_ask(compiled.sql, params))


class _Compiled:
    """What ModelIterable works out anew for each query."""

    def __init__(self, queryset: models.QuerySet[Any], sql: str) -> None:
        database = connections[DEFAULT_DB_ALIAS]
        compiler = queryset.query.get_compiler(connection=database)
        self.sql, _ = compiler.as_sql()
        info, select = compiler.klass_info, compiler.select
        assert info is not None
        self._part = _Part(info, select)
        self._related = [(_Part(entry, select), entry["local_setter"]) for entry in info.get("related_klass_infos", ())]
        self._convert = partial(compiler.apply_converters, converters=compiler.get_converters([c for c, *_ in select]))
        if sql:
            quote = database.ops.quote_name
            columns = (f"{quote(column.alias)}.{quote(column.target.column)}" for column, *_ in select)
            self.sql = sql.format(columns=", ".join(columns))

    def build(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        rows = []
        for values in self._convert(found):
            row = self._part.build(values)
            for part, put in self._related:
                put(row, part.build(values))
            rows.append(row)
        return rows


class _Part:
    """One model's columns in a row. The related row must exist: an inner join."""

    def __init__(self, info: Mapping[str, Any], select: Sequence[Any]) -> None:
        self._model = info["model"]
        self._first, self._last = info["select_fields"][0], info["select_fields"][-1] + 1
        self._names = [column.target.attname for column, *_ in select[self._first : self._last]]

    def build(self, values: Sequence[Any]) -> Any:
        # As Model.from_db leaves it, but for the signals of `__init__`, which nobody here hears.
        row = self._model.__new__(self._model)
        row.__dict__.update(zip(self._names, values[self._first : self._last], strict=True))
        row._state = ModelState()  # noqa: SLF001
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001
        return row


def new_row(model: type[Row], **values: Any) -> Row:
    """An unsaved row of these values, and the model's defaults for the others; a relation takes its row, or None.

    As `model(**values)`, in a tenth of the time: without its signals, and without a look at the names.
    """
    shape = _shape_of(model)
    row = model.__new__(model)
    row._state = ModelState()  # noqa: SLF001
    kept = row.__dict__
    kept.update(shape.defaults)
    for name, make in shape.made:
        kept[name] = make()
    for name, value in values.items():
        column = shape.relations.get(name)
        if column is None:
            kept[name] = value
        else:
            kept[column] = None if value is None else value.pk
            row._state.fields_cache[name] = value  # noqa: SLF001
    return row


@dataclass(frozen=True, slots=True)
class _Shape:
    """What every new row of a model has; `made` are the defaults that each row gets one of its own."""

    defaults: Mapping[str, Any]
    made: Sequence[tuple[str, Callable[[], Any]]]
    relations: Mapping[str, str]


@cache
def _shape_of(model: type[models.Model]) -> _Shape:
    fields = model._meta.concrete_fields
    made = [entry for entry in fields if entry.has_default() and callable(entry.default)]
    return _Shape(
        defaults={entry.attname: entry.get_default() for entry in fields if entry not in made},
        made=[(entry.attname, entry.get_default) for entry in made],
        relations={entry.name: entry.attname for entry in fields if entry.is_relation},
    )
