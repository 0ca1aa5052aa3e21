"""Addresses of the ordinary host."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("callbacks/", include("campaigns.callbacks.urls")),
    path("", include("campaigns.api.app")),
    path("", include("campaigns.api.pages")),
    path("", include("campaigns.web.urls")),
]
