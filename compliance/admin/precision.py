"""How precise the check of content is: each rule's hits, what people answered, and an estimate."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from compliance.admin.oversight import OversightScreen
from compliance.models import DetectorHit
from compliance.oversight import precision


@admin.register(DetectorHit)
class DetectorHitAdmin(OversightScreen):
    """Counts by rule and week; of what was found nothing is kept but a digest, so there is nothing else to show."""

    list_lead: ClassVar[str] = (
        "What each rule of the check found in content everybody gets, and what people answered was no health information."
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        if not self.has_view_permission(request):
            raise Http404
        accounts = list(self.overseen(request).values_list("pk", flat=True))
        together, weekly = precision.read_precision(accounts, now=timezone.now())
        return self.show(
            request, "admin/compliance/detectorhit/list.html", title="The check of content", lead=self.list_lead,
            together=together, weekly=weekly, weeks=precision.WEEKS, enough=precision.ENOUGH,
        )  # fmt: skip
