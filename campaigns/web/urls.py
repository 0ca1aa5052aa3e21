"""Public pages."""

from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView

from campaigns.web import brand, preferences, reading, unsubscribe

app_name = "web"
urlpatterns: list[URLPattern] = [
    # Whoever types the bare address wants to sign in.
    path("", RedirectView.as_view(pattern_name="admin:index", query_string=False), name="home"),
    # Answers with and without a last slash, because nothing here may redirect (UN-09); written without.
    re_path(r"^u/(?P<token>[^/]*)$", unsubscribe.answer_unsubscribe, name="unsubscribe"),
    re_path(r"^u/(?P<token>.*)$", unsubscribe.answer_unsubscribe),
    re_path(r"^p/(?P<token>.*)$", preferences.answer_preferences, name="preferences"),
    re_path(r"^me/(?P<token>.*)$", preferences.answer_personal, name="personal"),
    path("v/<str:token>", reading.show_view, name="view"),
    path("archive/<slug:slug>/", reading.show_archive, name="archive"),
    path("archive/<slug:slug>/feed.xml", reading.answer_feed, name="archive-feed"),
    path("archive/<slug:slug>/lists/<slug:list_slug>/", reading.show_archive, name="archive-list"),
    path("archive/<slug:slug>/lists/<slug:list_slug>/feed.xml", reading.answer_feed, name="archive-feed-list"),
    path("archive/<slug:slug>/<uuid:public_id>/", reading.show_issue, name="issue"),
    path("archive/<slug:slug>/<uuid:public_id>/mail", reading.show_issue_mail, name="issue-mail"),
    path("brand/<uuid:public_id>/logo", brand.answer_logo, name="logo"),
    path("brand/<uuid:public_id>.css", brand.answer_style, name="brand"),
]
