"""Pages of tables that may have millions of rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

_Row = TypeVar("_Row", bound=Model)


class CappedPaginator(_Paginator):
    """Counts no further than LIMIT rows, so that the first page of a huge table is as quick as of a small one."""

    LIMIT = 10_000

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Model]", self.object_list).order_by().values("pk")[: self.LIMIT].count()

    @property
    def is_capped(self) -> bool:
        return self.count >= self.LIMIT


def read_place(request: HttpRequest) -> str:
    """The place in a list that goes along its key, as the query it is in; kept while rows of it are opened."""
    for name in ("before", "after"):
        value = request.GET.get(name, "")
        if value.isascii() and value.isdigit():
            return f"?{name}={value[:18]}"
    return ""


def slice_rows(rows: QuerySet[_Row], request: HttpRequest, *, per_page: int) -> tuple[list[_Row], str, str]:
    """(one page of rows that come newest first, the way to newer, the way to older), without counting anything."""
    place = read_place(request)
    key = int(place.partition("=")[2]) if place else 0
    if place.startswith("?after"):
        found = list(rows.filter(pk__gt=key).order_by("pk")[: per_page + 1])
        has_newer, has_older = len(found) > per_page, True
        page = found[:per_page][::-1]
    else:
        found = list(rows.filter(pk__lt=key)[: per_page + 1] if key else rows[: per_page + 1])
        has_newer, has_older = bool(key), len(found) > per_page
        page = found[:per_page]
    newer = f"?after={page[0].pk}" if page and has_newer else ""
    older = f"?before={page[-1].pk}" if page and has_older else ""
    return page, newer, older
