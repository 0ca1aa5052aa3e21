"""What an account under an agreement may use and what not, with the reason and what to do instead."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from campaigns.admin.rights import accounts_of
from campaigns.models import BaaStatus
from compliance.features import list_eligibility


def show_eligibility(request: HttpRequest) -> HttpResponse:
    """The page, from the same source as refusals and the endpoint."""
    listed = list_eligibility()
    context = {
        **admin.site.each_context(request),
        "title": "What is HIPAA-eligible",
        "eligible": [one for one in listed if one.is_eligible],
        "excluded": [one for one in listed if not one.is_eligible],
        "concerned": list(accounts_of(request.user).exclude(baa_status=BaaStatus.NONE).order_by("name")),
    }
    return TemplateResponse(request, "admin/hipaa/eligibility.html", context)
