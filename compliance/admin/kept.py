"""What is kept and for how long: content for days, evidence for years, and certificates of what was shredded."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone

from compliance.admin.oversight import OversightScreen
from compliance.models import ShredCertificate
from compliance.oversight import clocks

_SHOWN = 50


@admin.register(ShredCertificate)
class ShredCertificateAdmin(OversightScreen):
    """Two clocks and the last certificates; nothing here can be changed."""

    list_lead: ClassVar[str] = "Content is destroyed within days. What proves how it was handled stays for years."

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        if not self.has_view_permission(request):
            raise Http404
        owners = None if request.user.is_superuser else self.owners(request)
        rows = ShredCertificate.objects.order_by("-at", "-pk")
        shown = rows if owners is None else rows.filter(owner__in=owners)
        return self.show(
            request, "admin/compliance/shredcertificate/list.html", title="What is kept", lead=self.list_lead,
            clocks=clocks.read_clocks(now=timezone.now(), owners=owners), certificates=shown[:_SHOWN],
        )  # fmt: skip
