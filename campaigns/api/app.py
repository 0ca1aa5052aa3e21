"""The HTTP Email API put together: every router, one translator, one way in."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI

from campaigns.api import (
    bulks,
    content,
    domain_pools,
    domains,
    following,
    ip_management,
    mime,
    sending,
    suppressions,
    templates,
    validation,
)
from campaigns.api.envelopes import refuse
from campaigns.api.methods import list_patterns
from campaigns.api.parser import TrimmingParser
from campaigns.api.translate import register_translators

ABOUT = """Send and follow email from your own programs. The wire is Infobip's Email API: existing clients only change
the base URL."""


def make_api() -> NinjaAPI:
    """The API with all its operations; its documents are served by us, from this machine."""
    api = NinjaAPI(
        title="Sealpost Email API",
        version="1",
        description=ABOUT,
        urls_namespace="api",
        docs_url=None,
        openapi_url=None,
        parser=TrimmingParser(),
    )
    register_translators(api)
    for router in (
        sending.router,
        mime.router,
        following.router,
        bulks.router,
        content.router,
        domains.router,
        suppressions.router,
        ip_management.router,
        domain_pools.router,
        templates.router,
        validation.router,
    ):
        api.add_router("", router)
    return api


@csrf_exempt
def answer_nothing(request: HttpRequest) -> HttpResponse:
    """Every other address below /email/."""
    return refuse(request, 404)


api = make_api()
urlpatterns: list[URLPattern | URLResolver] = [
    path("email/", include(list_patterns(api))),
    re_path(r"^email(?:/|$)", answer_nothing),
]
