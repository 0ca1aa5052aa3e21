"""Public pages."""

from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView

from campaigns.web import brand, preferences, unsubscribe

app_name = "web"
urlpatterns: list[URLPattern] = [
    # Whoever types the bare address wants to sign in.
    path("", RedirectView.as_view(pattern_name="admin:index", query_string=False), name="home"),
    # Answers with and without a last slash, because nothing here may redirect (UN-09); written without.
    re_path(r"^u/(?P<token>[^/]*)$", unsubscribe.answer_unsubscribe, name="unsubscribe"),
    re_path(r"^u/(?P<token>.*)$", unsubscribe.answer_unsubscribe),
    re_path(r"^p/(?P<token>.*)$", preferences.answer_preferences, name="preferences"),
    re_path(r"^me/(?P<token>.*)$", preferences.answer_personal, name="personal"),
    path("brand/<uuid:public_id>/logo", brand.answer_logo, name="logo"),
    path("brand/<uuid:public_id>.css", brand.answer_style, name="brand"),
]
