"""Public pages."""

from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView

from campaigns.web import unsubscribe

app_name = "web"
urlpatterns: list[URLPattern] = [
    # Whoever types the bare address wants to sign in.
    path("", RedirectView.as_view(pattern_name="admin:index", query_string=False), name="home"),
    # Answers with and without a last slash, because nothing here may redirect (UN-09); written without.
    re_path(r"^u/(?P<token>[^/]*)$", unsubscribe.answer_unsubscribe, name="unsubscribe"),
    re_path(r"^u/(?P<token>.*)$", unsubscribe.answer_unsubscribe),
]
