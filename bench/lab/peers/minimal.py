"""The least a Django view can do, for the benches of our HTTP API: answer, or store two rows by the ORM and answer."""

from __future__ import annotations

import json
import os
from uuid import uuid4

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # Content-Length
    INSTALLED_APPS=[],
    DATABASES={"default": {**__import__("environ").Env.db_url_config(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": 600}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402


class Request(models.Model):
    public_id = models.UUIDField(unique=True)
    created_at = models.DateTimeField()
    payload = models.BinaryField()

    class Meta:
        app_label = "minimal"

    def __str__(self) -> str:
        return str(self.public_id)


class Mail(models.Model):
    public_id = models.UUIDField(unique=True)
    request = models.ForeignKey(Request, on_delete=models.CASCADE)
    recipient = models.CharField(max_length=254)
    state = models.CharField(max_length=10)
    due_at = models.DateTimeField()

    class Meta:
        app_label = "minimal"

    def __str__(self) -> str:
        return str(self.public_id)


@csrf_exempt
def empty(request: HttpRequest) -> HttpResponse:
    len(request.body)  # gunicorn takes what was not read for the next request
    return JsonResponse({"messages": []})


@csrf_exempt
def store(request: HttpRequest) -> HttpResponse:
    body, now = json.loads(request.body), timezone.now()
    mail = body["messages"][0]
    row = Request.objects.create(public_id=uuid4(), created_at=now, payload=request.body)
    to = mail["destinations"][0]["to"][0]["destination"]
    made = Mail.objects.create(public_id=uuid4(), request=row, recipient=to, state="queued", due_at=now)
    return JsonResponse({"messages": [{"messageId": str(made.public_id), "destination": to}]})


urlpatterns = [path("empty", empty), path("store", store)]


def make_tables() -> None:
    with connection.schema_editor() as editor:
        editor.create_model(Request)
        editor.create_model(Mail)


if os.environ.get("MAKE_TABLES"):
    make_tables()
application = get_wsgi_application()
