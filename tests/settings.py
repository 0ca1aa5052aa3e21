"""The settings of the tests: the product's own, in a temporary folder per test process.

They are read before any conftest, so the folder is set here; no test ever touches ./var or reads .env.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_ROOT = "SEALPOST_TEST_ROOT"
if _ROOT not in os.environ:
    # The process that starts the tests makes the folder, its xdist workers get one each inside it.
    os.environ[_ROOT] = tempfile.mkdtemp(prefix="sealpost-tests-")
    atexit.register(shutil.rmtree, os.environ[_ROOT], ignore_errors=True)
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "main")
# Only these two choose what the tests run on; everything else is the default of a local installation.
_CHOSEN = {"DATABASE_URL", "REDIS_URL"}
for _name in (Path(__file__).resolve().parent.parent / ".env.example").read_text("utf-8").splitlines():
    _variable = _name.lstrip("# ").partition("=")[0]
    if _variable.isidentifier() and _variable.isupper() and _variable not in _CHOSEN:
        os.environ.pop(_variable, None)
os.environ["ENV_FILE"] = os.devnull
os.environ["INSTANCE"] = f"test-{os.getpid()}"
# Tests that run the whole say themselves where it listens; two at a time would meet on the usual ports.
os.environ |= {"SMTP_PORT": "0", "SMTP_TLS_PORT": "0", "SMTP_PLAIN_PORT": "0", "INBOUND_PORT": "0"}
os.environ["VAR_DIR"] = str(Path(os.environ[_ROOT]) / PROCESS)

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, PASSWORD_HASHERS, Q_CLUSTER, VAR_DIR  # noqa: E402

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, not memory: threads and processes of a test then meet the same locks as in life.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
# Nothing is collected for tests; whitenoise warns about a folder that is not there.
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
# Read at import by django-q2: jobs of a test run where they are enqueued.
Q_CLUSTER["sync"] = True
# Hits are written before they are answered: a test looks at once, and no thread outlives it.
TRACKING_FLUSH_MS = 0
# Nobody's mail servers are asked, but by the tests of that.
HIPAA_PROBES = False
# A slow hash protects passwords, not tests; the others check what our processes wrote.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *PASSWORD_HASHERS]
LOGGING_CONFIG = None
