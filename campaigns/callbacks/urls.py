"""Addresses that providers call."""

from django.urls import URLPattern, re_path

from campaigns.callbacks import door

app_name = "callbacks"
urlpatterns: list[URLPattern] = [
    # With and without a last slash, because nothing here may redirect; a provider would drop the body.
    re_path(r"^(?P<public_id>[0-9a-f-]{36})/(?P<token>[A-Za-z0-9_-]{1,64})/?$", door.take_callback, name="callback"),
    re_path(r"^", door.answer_nobody),
]
