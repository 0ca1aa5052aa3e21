"""Addresses of the ordinary host."""

from django.contrib import admin
from django.urls import include, path

from compliance.admin.eligibility import show_eligibility
from compliance.api.eligibility import answer_eligibility

urlpatterns = [
    # First, since programs ask most.
    path("", include("campaigns.api.app")),
    path("admin/eligibility/", admin.site.admin_view(show_eligibility), name="eligibility"),
    path("admin/", admin.site.urls),
    path("eligibility", answer_eligibility, name="eligibility-list"),
    path("callbacks/", include("campaigns.callbacks.urls")),
    path("", include("campaigns.api.pages")),
    path("", include("campaigns.web.urls")),
]
