"""The peer of the pixel: a Django project with nothing but a view that returns the same picture."""

from __future__ import annotations

from base64 import b64decode

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

GIF = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


def show_pixel(request: HttpRequest, token: str) -> HttpResponse:  # noqa: ARG001 (the address has one)
    return HttpResponse(GIF, content_type="image/gif", headers={"Cache-Control": "no-store", "Content-Length": "42"})


urlpatterns = [path("o/<str:token>", show_pixel)]

settings.configure(
    SECRET_KEY="protects nothing", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[], LOGGING_CONFIG=None
)
application = get_wsgi_application()
