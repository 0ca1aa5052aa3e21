"""Where is looked. Each place can also be made to leak on purpose: one that does not notice proves nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.core.cache import cache
from django.db import connection

from campaigns import jobs
from compliance.sweep.canary import Canary

Leak = Callable[[str], None]
Contents = Iterator[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Found:
    """The canary is where it must not be; `where` names a table, a file or a logger, never what is in it."""

    place: str
    where: str
    form: str


@dataclass(frozen=True, slots=True)
class Place:
    """`read` gives everything in it, piece by piece; `leak` puts a word there as a careless programmer
    would (None where only the system could)."""

    name: str
    read: Callable[[], Contents]
    leak: Leak | None


def search(places: list[Place], canary: Canary) -> list[Found]:
    """Everything that knows the canary, each piece once."""
    found = {
        (place.name, where): Found(place.name, where, form)
        for place in places
        for where, data in place.read()
        if (form := canary.find(data))
    }
    return list(found.values())


class Ears:
    """What is said while it listens: to loggers before anything is masked, by mail, in answers, into temporary files."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.answers: list[tuple[str, bytes]] = []
        self.wire: list[bytes] = []
        self.temporary: list[tuple[str, bytes]] = []
        sys.addaudithook(self._watch)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Everything at DEBUG, but for the loggers that the product itself keeps quiet."""
        handler = _Listener(self.lines)
        root = logging.getLogger()
        before = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(before)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        # What is written to a temporary file is gone before anybody could search it, so its name is kept instead.
        if event == "tempfile.mkstemp":
            self.temporary.append((Path(str(arguments[0])).name, b""))


class _Listener(logging.Handler):
    def __init__(self, lines: list[tuple[str, str]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "django.request":
            # Django tells the address of a page that was not found; tokens in it are masked where the log is written.
            handlers = logging.getLogger().handlers
            self._lines += [(record.name, handler.format(record)) for handler in handlers if handler is not self]
            return
        error = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self._lines.append((record.name, f"{record.getMessage()} {error}"))


def list_places(ears: Ears) -> list[Place]:
    """All of this installation."""
    return [
        Place("database", _rows, _leak_session),
        Place("admin record", _admin_record, _leak_admin_record),
        Place("job queue", _queued, lambda word: jobs.ring("campaigns.tasks.sweep", word)),  # type: ignore[arg-type]
        Place("files", _files, _leak_file),
        Place("temporary folder", _temporary, _leak_temporary),
        Place("cache", _cached, lambda word: cache.set("leak", word)),
        Place("log", lambda: _said(ears), lambda word: logging.getLogger("leak").debug("%s", word)),
        Place("answers", lambda: iter(ears.answers), lambda word: ears.answers.append(("leak", word.encode()))),
        Place("mails to operators", _mails, lambda word: mail.mail_admins("Error", word)),
        Place(
            "wire outside of TLS",
            lambda: (("bytes", data) for data in ears.wire),
            lambda word: ears.wire.append(word.encode()),
        ),
        Place("command line", _command_line, None),
    ]


# --- Database -----------------------------------------------------------------------------------------------------


def _rows() -> Contents:
    """Every value of every column of every table; SQLite's files, where deleted rows linger, are among the files."""
    return _rows_of("")


def _queued() -> Contents:
    """Jobs that wait, and what became of others: in the database, or in Redis."""
    yield from _rows_of("django_q")
    if settings.REDIS_URL:
        yield from ((where, data) for where, data in _stored() if where == "Redis list")


def _rows_of(starts: str) -> Contents:
    with connection.cursor() as cursor:
        tables = [table for table in connection.introspection.table_names(cursor) if table.startswith(starts)]
    for table in tables:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - its own names
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                yield from ((f"{table}.{name}", _as_bytes(value)) for name, value in zip(columns, row, strict=True))


def _as_bytes(value: object) -> bytes:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    return value.encode() if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False).encode()


def _leak_session(word: str) -> None:
    session = SessionStore()
    session["leak"] = word
    session.save()


def _admin_record() -> Contents:
    for entry in LogEntry.objects.all():
        yield "django_admin_log", f"{entry.object_repr} {entry.change_message} {entry.object_id}".encode()


def _leak_admin_record(word: str) -> None:
    LogEntry.objects.create(user=User.objects.earliest("pk"), object_id="1", object_repr=word, action_flag=1)


# --- Files, cache, everything else --------------------------------------------------------------------------------


def _files() -> Contents:
    for file in sorted(settings.VAR_DIR.rglob("*")):
        if file.is_file():
            yield f"var/{file.relative_to(settings.VAR_DIR)}", file.read_bytes()


def _leak_file(word: str) -> None:
    (settings.VAR_DIR / "leak.txt").write_text(word)


def _temporary() -> Contents:
    for file in sorted(Path(tempfile.gettempdir()).rglob("*")):
        if file.is_file():
            yield f"tmp/{file.name}", file.read_bytes()


def _leak_temporary(word: str) -> None:
    with tempfile.NamedTemporaryFile("w", delete=False) as file:
        file.write(word)


def _cached() -> Contents:
    """Keys and values: of the shared Redis, or of this process."""
    if settings.REDIS_URL:
        yield from _stored()
        return
    for key, value in list(getattr(cache, "_cache", {}).items()):
        yield "cache entry", f"{key} ".encode() + (value if isinstance(value, bytes) else str(value).encode())


def _stored() -> Contents:
    client: Any = cache._cache.get_client(None, write=True)  # type: ignore[attr-defined]  # noqa: SLF001 - Django gives no other way
    readers: dict[bytes, Callable[[bytes], Any]] = {
        b"string": lambda key: [client.get(key) or b""],
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
    }
    for key in client.scan_iter(count=1_000):
        yield "Redis key", bytes(key)
        kind = client.type(key)
        # Others work in the same Redis: a key may be gone by now.
        yield from ((f"Redis {kind.decode()}", bytes(part)) for part in readers.get(kind, _nothing)(key))


def _nothing(_: bytes) -> list[bytes]:
    return []


def _said(ears: Ears) -> Contents:
    for name, line in ears.lines:
        yield f"logger {name}", line.encode()


def _mails() -> Contents:
    for message in getattr(mail, "outbox", []):
        yield "mail", message.message().as_bytes()


def _command_line() -> Contents:
    line = Path("/proc/self/cmdline")
    if line.exists():
        yield "command line", line.read_bytes()
