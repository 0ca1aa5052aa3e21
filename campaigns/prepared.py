"""Queries the ORM compiles once: for doors where compiling a query costs several times what the database does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import local
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=models.Model)


class Prepared(Generic[Row]):
    """A query of whole rows, with `select_related` if need be, that differs only in its parameters.

    `make` gives the queryset once for each thread, filtered by any values: as many as `fetch` is called with, in the
    same order, and already as the database takes them.
    """

    def __init__(self, make: Callable[[], models.QuerySet[Row]]) -> None:
        self._make = make
        self._known = local()

    def fetch(self, *params: str | int | datetime | None) -> list[Row]:
        """The rows for these parameters, as the queryset would give them."""
        compiled: _Compiled | None = getattr(self._known, "compiled", None)
        if compiled is None:
            compiled = self._known.compiled = _Compiled(self._make())
        with connection.cursor() as cursor:
            cursor.execute(compiled.sql, params)
            found = cursor.fetchall()
        return [compiled.build(values) for values in compiled.compiler.results_iter([found])]


class _Compiled:
    """What ModelIterable works out anew for each query."""

    def __init__(self, queryset: models.QuerySet[Any]) -> None:
        self.compiler = queryset.query.get_compiler(connection=connections[DEFAULT_DB_ALIAS])
        self.sql, _ = self.compiler.as_sql()
        info, select = self.compiler.klass_info, self.compiler.select
        assert info is not None
        self._model = info["model"]
        self._first, self._last = info["select_fields"][0], info["select_fields"][-1] + 1
        self._names = [column[0].target.attname for column in select[self._first : self._last]]
        # The stubs have the parameters of a later Django.
        self._populators = get_related_populators(info, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]

    def build(self, values: Sequence[Any]) -> Any:
        row = self._model.from_db(DEFAULT_DB_ALIAS, self._names, values[self._first : self._last])
        for populator in self._populators:
            populator.populate(values, row)
        return row
