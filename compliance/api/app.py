"""The HIPAA endpoint put together: its operations, the translator of the ordinary one, and nothing else."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from ninja import NinjaAPI

from campaigns.api.app import answer_nothing
from campaigns.api.methods import list_patterns
from campaigns.api.parser import TrimmingParser
from campaigns.api.translate import register_translators
from compliance.api import following, sending


def make_api() -> NinjaAPI:
    """The API; it has no pages of documentation at its own host."""
    api = NinjaAPI(
        title="Sealpost HIPAA-eligible Email API", version="1", urls_namespace="hipaa-api", docs_url=None, openapi_url=None,
        parser=TrimmingParser(),
    )  # fmt: skip
    register_translators(api)
    for router in (sending.router, following.router):
        api.add_router("", router)
    return api


api = make_api()
urlpatterns: list[URLPattern | URLResolver] = [
    path("email/", include(list_patterns(api))),
    re_path(r"", answer_nothing, name="hipaa-nothing"),
]
