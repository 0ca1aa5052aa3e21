"""Pages of tables that may have millions of rows."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator


class CappedPaginator(_Paginator):
    """Counts no further than LIMIT rows, so that the first page of a huge table is as quick as of a small one."""

    LIMIT = 10_000

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Model]", self.object_list).order_by().values("pk")[: self.LIMIT].count()

    @property
    def is_capped(self) -> bool:
        return self.count >= self.LIMIT
