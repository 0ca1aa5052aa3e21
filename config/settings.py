"""Every setting in one file, read from the environment (see .env.example)."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF

from config import env, keyring

BASE_DIR = Path(__file__).resolve().parent.parent
ENV_FILE = env.path("ENV_FILE", BASE_DIR / ".env")
env.read_file(ENV_FILE)

# --- Where we are -------------------------------------------------------------------------------
# LOCAL is one person's own machine: keys are made on first use and plain HTTP on loopback is fine.
LOCAL = env.boolean("LOCAL", True)
DEBUG = env.boolean("DEBUG", False)
VAR_DIR = env.path("VAR_DIR", BASE_DIR / "var")
if LOCAL:
    # Elsewhere the folder is somebody's decision: a typo must not become an empty database (sealpost.E012).
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
# The address people reach us at: unsubscribe links and the admin live under it.
PUBLIC_URL = env.web_url("PUBLIC_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]") if LOCAL else ())
# The HIPAA endpoint: host names of its own, where nothing else is, and the networks it may be called from.
HIPAA_HOSTS = env.hosts("HIPAA_HOSTS")
HIPAA_NETWORKS = env.words(
    "HIPAA_NETWORKS", pattern=r"[0-9a-fA-F.:]+(?:/\d{1,3})?", looks="networks such as 192.0.2.0/24,2001:db8::/32"
)
ALLOWED_HOSTS = [*ALLOWED_HOSTS, *HIPAA_HOSTS]
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")


# --- Keys ---------------------------------------------------------------------------------------
def _secret_key() -> str:
    given = env.text("SECRET_KEY", "" if LOCAL else None)
    if given:
        return given
    file = VAR_DIR / "secret_key"
    if not file.exists():
        keyring.write_once(file, base64.b64encode(secrets.token_bytes(48)).decode("ascii"))
    return file.read_text("ascii")


SECRET_KEY = _secret_key()
KEY_RING_FILE = env.path("KEY_RING_FILE", VAR_DIR / "keyring.json") if LOCAL else Path(env.text("KEY_RING_FILE"))
KEY_RING = keyring.load(KEY_RING_FILE, create=LOCAL)
# Who holds the root keys that wrap the data keys: the key ring itself, AWS KMS, or the transit engine of a Vault.
KEY_PROVIDER = env.choice("KEY_PROVIDER", "local", allowed=("local", "aws", "vault"))
KEY_SERVICE = {
    "url": env.text("KEY_SERVICE_URL", ""),
    "key": env.text("KEY_SERVICE_KEY", ""),
    "ca_file": env.text("KEY_SERVICE_CA_FILE", ""),
    "mount": env.text("VAULT_MOUNT", "transit"),
    "namespace": env.text("VAULT_NAMESPACE", ""),
    "token": env.text("VAULT_TOKEN", ""),
    "region": env.text("AWS_REGION", ""),
    "access_key_id": env.text("AWS_ACCESS_KEY_ID", ""),
    "secret_access_key": env.text("AWS_SECRET_ACCESS_KEY", ""),
    "session_token": env.text("AWS_SESSION_TOKEN", ""),
}

# --- Evidence -----------------------------------------------------------------------------------
# 45 CFR 164.316(b)(2)(i): six years, whichever is later of creation and last effect; longer is yours to choose.
EVIDENCE_YEARS = env.integer("EVIDENCE_YEARS", 6, low=6, high=100)
# How long the content of a HIPAA send outlives its last mail, for questions about delivery; at most 30 days.
HIPAA_CONTENT_HOURS = env.integer("HIPAA_CONTENT_HOURS", 72, low=0, high=720)
# Of a HIPAA send so many messages leave first; the rest follows once so many of them have arrived, or a person says so.
HIPAA_FIRST_MESSAGES = env.integer("HIPAA_FIRST_MESSAGES", 20, low=1, high=1000)
HIPAA_FIRST_DELIVERED = env.integer("HIPAA_FIRST_DELIVERED", 15, low=1, high=1000)
# Whether the mail servers of recipients' domains are asked for their encryption before a HIPAA send is approved (port 25).
HIPAA_PROBES = env.boolean("HIPAA_PROBES", True)
# A week whose activity nobody reviewed holds the account's HIPAA mail so many days after its end.
REVIEW_HOLD_DAYS = env.integer("REVIEW_HOLD_DAYS", 30, low=7, high=365)
# A copy of every checkpoint of the audit trail: best on a medium that only takes what is appended.
AUDIT_CHECKPOINT_FILE = env.path("AUDIT_CHECKPOINT_FILE", VAR_DIR / "audit-checkpoints.jsonl")

# --- Application --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "config.apps.SealpostAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_q",
    "csp",
    "campaigns",
    "compliance",
    "config.apps.ConfigConfig",
]
MIDDLEWARE = [
    "compliance.api.hosts.HipaaHostMiddleware",
    "campaigns.web.health.HealthMiddleware",
    "campaigns.web.visits.VisitMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "campaigns.web.for_people.PolicyMiddleware",
    "campaigns.web.for_people.SessionMiddleware",
    "compliance.admin.uploads.SealedUploadMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "campaigns.web.for_people.AuthenticationMiddleware",
    "campaigns.web.for_people.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    }
]
# A redirect must never touch the one-click unsubscribe POST (RFC 8058 §3.1).
APPEND_SLASH = False
PREPEND_WWW = False

# --- Database -----------------------------------------------------------------------------------
DATABASE_URL = env.service_url(
    "DATABASE_URL", example="postgres://user@localhost/sealpost", schemes=("postgres", "postgresql", "sqlite")
)
DATABASES: dict[str, dict[str, Any]] = {
    "default": environ.Env.db_url_config(DATABASE_URL or f"sqlite:///{VAR_DIR / 'sealpost.sqlite3'}")
}
DATABASES["default"]["CONN_MAX_AGE"] = 600
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # WAL lets readers go on beside the one writer; IMMEDIATE takes the write lock at BEGIN, where the
    # busy timeout applies (a later upgrade from read to write fails at once with "database is locked").
    # Each process keeps 8 MiB of pages: more made nothing faster, the system caches the file for all of them.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;"
        ),
    }
else:
    # Only cursors of campaigns/prepared.py ask for it; 0 means never, for a PgBouncer that cannot keep statements.
    options = DATABASES["default"].setdefault("OPTIONS", {})
    options["prepare_threshold"] = options.get("prepare_threshold", 5) or None
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Cache and queue ----------------------------------------------------------------------------
# Keeps two installations apart that share one Redis.
INSTANCE = env.word("INSTANCE", "sealpost", pattern=r"[a-z0-9-]{1,60}", looks="1 to 60 of a-z, 0-9 and dashes")
REDIS_URL = env.service_url("REDIS_URL", example="redis://localhost:6379/0", schemes=("redis", "rediss"))
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": INSTANCE,
        # A Redis that hangs must not hang every request with it.
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
    if REDIS_URL
    # Room enough that a flood of wrong keys does not push out who has to wait.
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 10_000}}
}
WORKERS = env.integer("WORKERS", 2, low=1, high=64)
# Longest time a job may run; jobs budget themselves to stay well below it.
JOB_TIMEOUT = 720
Q_CLUSTER: dict[str, Any] = {
    "name": INSTANCE,
    "workers": WORKERS,
    # The retry clock starts when a task is prefetched: keep the queue short and the retry beyond
    # the longest wait, or a waiting task runs twice.
    "queue_limit": WORKERS,
    "bulk": 1,
    "timeout": JOB_TIMEOUT,
    "retry": JOB_TIMEOUT * 4,
    "max_attempts": 5,
    "save_limit": -1,
    "ack_failures": True,
    "catch_up": False,
    "poll": 0.5,
    "label": "Background jobs",
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}

# --- People -------------------------------------------------------------------------------------
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
# Messages can name campaigns and counts; a cookie would carry them through every proxy.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Security -----------------------------------------------------------------------------------
_HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", 31536000 if _HTTPS else 0, low=0, high=63072000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_SSL_REDIRECT = env.boolean("SSL_REDIRECT", _HTTPS)
# One-click POSTs and providers' reports are answered where they arrive, even behind a proxy that forgot the header.
SECURE_REDIRECT_EXEMPT = [r"^u/", r"^p/", r"^me/", r"^callbacks/", r"^email/"]
BEHIND_PROXY = env.boolean("BEHIND_PROXY", False)
if BEHIND_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Not no-referrer: browsers then send `Origin: null` with our own forms, and the CSRF check refuses them all.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [SELF],
    }
}

# --- Uploads ------------------------------------------------------------------------------------
MEDIA_ROOT = VAR_DIR / "media"
# A mail of the greatest size as base64 in JSON; what is larger is a 413 before it is read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024
# A thousand recipients in a form, and everything else it may say.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_100
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_PERMISSIONS = 0o600

# --- Words, time, static ------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_I18N = True
# Readers get pages in the language of their organisation; the admin speaks English.
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
if LOCAL:
    # Files are served from where they lie; whitenoise still wants the folder to be there.
    STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "templates" / "static"]


def _archive_storage() -> dict[str, Any]:
    """Where copies of mails lie for the long term, each sealed: a bucket when one is named, else a folder."""
    folder = {
        "location": env.path("ARCHIVE_DIR", VAR_DIR / "archive"),
        "allow_overwrite": True,
        "directory_permissions_mode": 0o700,
    }
    bucket = {
        "bucket_name": env.text("ARCHIVE_S3_BUCKET", ""),
        "location": env.text("ARCHIVE_S3_PREFIX", "sealpost"),
        "endpoint_url": env.service_url("ARCHIVE_S3_URL", example="https://s3.example.com", schemes=("https", "http"))
        or None,
        "region_name": env.text("ARCHIVE_S3_REGION", "") or None,
        # Without them the machine's own role is asked, as every tool of that provider does.
        "access_key": env.text("ARCHIVE_S3_ACCESS_KEY_ID", "") or None,
        "secret_key": env.text("ARCHIVE_S3_SECRET_ACCESS_KEY", "") or None,
        "default_acl": None,
        "file_overwrite": True,
        "signature_version": "s3v4",
    }
    if bucket["bucket_name"]:
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": bucket}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": folder}


STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
        # Whoever collects them (an image's build, root at a deploy) is not who serves them; uploads stay private.
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
    "archive": _archive_storage(),
}
WHITENOISE_USE_FINDERS = LOCAL

# --- Logging ------------------------------------------------------------------------------------
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "config.logging.RedactingFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.choice("LOG_LEVEL", "INFO", allowed=("DEBUG", "INFO", "WARNING", "ERROR")),
    },
    "loggers": {
        # Django's own handlers know no redaction: one handler for everything.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # Statements carry their parameters: addresses.
        "django.db.backends": {"level": "WARNING"},
        # aiosmtpd writes recipients at INFO and bodies at DEBUG.
        "mail.log": {"level": "WARNING"},
        # django-q2 writes task arguments and results; ours are primary keys, its chatter still helps nobody.
        "django-q": {"level": "WARNING"},
    },
}
# Error pages and mails show the way through the code, never values.
DEFAULT_EXCEPTION_REPORTER = "config.logging.SafeExceptionReporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.logging.ShowNothing"

# --- Mail ---------------------------------------------------------------------------------------
MAX_MESSAGE_BYTES = 10 * 1024 * 1024
# Feedback-ID's last field: constant for this installation, 5 to 15 characters (standards: FB-05).
FEEDBACK_SENDER_ID = env.word(
    "FEEDBACK_SENDER_ID", "sealpost", pattern=r"[A-Za-z0-9_.-]{5,15}", looks="5 to 15 letters, digits, dots or dashes"
)
# What the records of every sending domain lead to, unless the domain says otherwise: the servers that hand our mail over
# (terms of SPF), the server that takes bounces in (MX), the mailbox of reports (rua=).
SPF_TERMS = env.words(
    "SPF_TERMS",
    pattern=r"(?:include|a):[A-Za-z0-9._-]+|ip[46]:[0-9a-fA-F.:]+(?:/\d{1,3})?",
    looks="SPF terms such as ip4:192.0.2.10 or include:spf.example.net",
)
INBOUND_HOST = env.word(
    "INBOUND_HOST", "", pattern=r"(?:[a-z0-9-]+\.)+[a-z0-9-]+|", looks="a host name such as mx.example.com"
)
REPORTS_ADDRESS = env.word(
    "REPORTS_ADDRESS", "", pattern=r"[^@\s,;]+@[^@\s,;]+|", looks="an address such as reports@example.com"
)

# --- SMTP API -----------------------------------------------------------------------------------
SMTP_HOSTNAME = env.word(
    "SMTP_HOSTNAME",
    str(urlsplit(PUBLIC_URL).hostname),
    pattern=r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?",
    looks="the name clients connect to, such as smtp.example.com",
)
SMTP_HOST = env.text("SMTP_HOST", "127.0.0.1" if LOCAL else "*")
# Their own pair of files; one's own machine makes a pair.
SMTP_TLS_CERT, SMTP_TLS_KEY = env.text("SMTP_TLS_CERT", ""), env.text("SMTP_TLS_KEY", "")
_SMTP_READY = bool(SMTP_TLS_CERT)
SMTP_PORT = env.integer("SMTP_PORT", 2587 if LOCAL else 587 * _SMTP_READY, low=0, high=65535)
SMTP_TLS_PORT = env.integer("SMTP_TLS_PORT", 2465 if LOCAL else 465 * _SMTP_READY, low=0, high=65535)
SMTP_PLAIN_PORT = env.integer("SMTP_PLAIN_PORT", 2525 if LOCAL else 0, low=0, high=65535)
SMTP_HIPAA_PORT = env.integer("SMTP_HIPAA_PORT", 0, low=0, high=65535)
SMTP_MAX_CONNECTIONS = env.integer("SMTP_MAX_CONNECTIONS", 500, low=1, high=10_000)
SMTP_MAX_CONNECTIONS_PER_ADDRESS = env.integer("SMTP_MAX_CONNECTIONS_PER_ADDRESS", 50, low=1, high=10_000)

# Mail from other servers, for our own addresses only; INBOUND_HOST is the name they know it by.
INBOUND_PORT = env.integer(
    "INBOUND_PORT", 2526 if LOCAL else 25 * bool(_SMTP_READY and INBOUND_HOST), low=0, high=65535
)
INBOUND_KEEP_DAYS = env.integer("INBOUND_KEEP_DAYS", 90, low=1, high=3650)

# --- Opens and clicks ---------------------------------------------------------------------------
# Where links and pictures of mails lead to, unless their domain has a host of its own.
TRACKING_URL = env.web_url("TRACKING_URL", PUBLIC_URL)
# How long a hit waits for others before it is written down; 0 writes each before it is answered.
# Days for which bounces and complaints can be read as they came; 0 keeps none.
REPORTS_KEPT_DAYS = env.integer("REPORTS_KEPT_DAYS", 14, low=0, high=365)
TRACKING_FLUSH_MS = env.integer("TRACKING_FLUSH_MS", 100, low=0, high=10_000)
# A link nobody sees, in every tracked mail: what follows it is a machine. Some spam filters dislike hidden links.
TRACKING_DECOY = env.boolean("TRACKING_DECOY", False)

# --- HTTP to others -----------------------------------------------------------------------------
# Addresses of providers are typed by customers: one that leads into our own network is refused (sealpost.W004).
# Empty for good: credentials are given to each backend, and what is missing there would be read from here.
ANYMAIL: dict[str, Any] = {}
NET_ALLOW_PRIVATE = env.boolean("NET_ALLOW_PRIVATE", False)

# --- Checks -------------------------------------------------------------------------------------
# W019 asks for X-Frame-Options DENY; previews of mails stand in a sandboxed frame of our own pages.
# The rest are ids somebody has read and decided to live with, such as sealpost.W002.
SILENCED_SYSTEM_CHECKS = ["security.W019", *env.words("SILENCED_CHECKS")]

env.refuse_misspelt(ENV_FILE)
