"""Kept self-checks of the installation: which safeguards were in force, and when somebody looked."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from campaigns.admin.words import show_time
from compliance.admin.oversight import OversightScreen
from compliance.models import SelfCheck


@admin.register(SelfCheck)
class SelfCheckAdmin(OversightScreen):
    """The same for every account: it is the installation that is checked. Why one fails may name other accounts."""

    list_display = ("shown_at", "state", "passed")
    list_lead: ClassVar[str] = (
        "Once a year the installation checks its own safeguards, and keeps what it found. It is no certificate: there is none."
    )
    list_empty: ClassVar[str] = (
        "The first check is made within a day of the installation's start, and the next one a year later."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:  # noqa: ARG002
        rows: QuerySet[Any] = SelfCheck.objects.order_by("-at")
        return rows

    @admin.display(description="When", ordering="at")
    def shown_at(self, row: SelfCheck) -> str:
        return show_time(row.at)

    @admin.display(description="State")
    def state(self, row: SelfCheck) -> str:
        word, tone = (f"{row.failing} not in force", "is-bad") if row.failing else ("All in force", "is-ok")
        return format_html('<span class="badge {}">{}</span>', tone, word)

    def row_page(self, request: HttpRequest, row: SelfCheck, /) -> HttpResponse:
        return self.show(
            request, "admin/compliance/selfcheck/page.html", title=f"Self-check of {row.at:%-d %b %Y}", obj=row, row=row,
            state=self.state(row), may_read_why=request.user.is_superuser,
        )  # fmt: skip
