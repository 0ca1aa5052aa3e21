"""The weekly review: what happened, by whom, and the officer's signature under it."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from campaigns.admin.words import show_time
from compliance.admin.oversight import OversightScreen
from compliance.admin.trail import name_of
from compliance.approvals.quorum import Person
from compliance.audit import ACTIONS
from compliance.models import ActivityReview
from compliance.oversight import reviews


@admin.register(ActivityReview)
class ActivityReviewAdmin(OversightScreen):
    """Weeks of one's accounts; officers sign."""

    list_display = ("shown_week", "account", "state", "signature")
    list_select_related = ("account", "signed_by")
    list_lead: ClassVar[str] = (
        "Every week an officer looks at what was done and signs it. A week nobody signs for long holds HIPAA mail."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(account__in=self.overseen(request))

    @admin.display(description="Week of", ordering="week")
    def shown_week(self, row: ActivityReview) -> str:
        return f"{row.week:%-d %b %Y}"

    @admin.display(description="State")
    def state(self, row: ActivityReview) -> str:
        tone, word = ("is-ok", "Signed") if row.signed_at else ("is-info", "To review")
        if reviews.is_overdue(row, now=timezone.now()):
            tone, word = "is-bad", "Overdue"
        return format_html('<span class="badge {}">{}</span>', tone, word)

    @admin.display(description="Signed")
    def signature(self, row: ActivityReview) -> str:
        return f"{row.signed_by}, {show_time(row.signed_at)}" if row.signed_at else "–"

    def row_page(self, request: HttpRequest, row: ActivityReview, /) -> HttpResponse:
        """The week in numbers; an officer's button signs it."""
        names = dict(User.objects.values_list("pk", "username"))
        may_sign = row.signed_at is None and self.is_officer(request, row.account)
        if request.method == "POST" and not may_sign:
            raise Http404

        def do(_: dict[str, Any], by: Person) -> str:
            reviews.sign(row, by=by, now=timezone.now())
            messages.success(request, "Signed.")
            return self.url_of(view="changelist")

        context: dict[str, Any] = {
            "title": f"Week of {self.shown_week(row)}", "obj": row, "row": row, "state": self.state(row),
            "figures": [(ACTIONS.get(action, action), count) for action, count in row.figures.items()],
            "notable": [
                (ACTIONS.get(action, action), [(name_of(*who.split(" ", 1), names=names), n) for who, n in sorted(found.items())])
                for action, found in row.people.items()
            ],
            "may_sign": may_sign, "template": "admin/compliance/activityreview/page.html",
        }  # fmt: skip
        if request.method == "POST":
            return self.act(request, forms.Form(request.POST), do, account=row.account, **context)
        return self.show(request, context.pop("template"), **context)
