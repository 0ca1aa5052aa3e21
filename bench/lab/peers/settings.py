"""Settings of the peers: the database of PEER_DATABASE_URL with what a careful person would set, the relay of PEER_PORT."""

from __future__ import annotations

import importlib.util
import os
from typing import Any
from urllib.parse import unquote, urlsplit

_URL = urlsplit(os.environ["PEER_DATABASE_URL"])

SECRET_KEY = "protects nothing"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["bench.lab.peers", *(["post_office"] if importlib.util.find_spec("post_office") else [])]
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _URL.path.removeprefix("/"),
        "USER": unquote(_URL.username or ""),
        "PASSWORD": unquote(_URL.password or ""),
        "HOST": _URL.hostname or "",
        "PORT": str(_URL.port or ""),
        "CONN_MAX_AGE": 600,
    }
    if _URL.scheme.startswith("postgres")
    else {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": _URL.path,
        "CONN_MAX_AGE": 600,
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
EMAIL_HOST, EMAIL_PORT = "127.0.0.1", int(os.environ.get("PEER_PORT", "25"))
POST_OFFICE = {"BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"}}
LOGGING_CONFIG = None
