"""Strict, typed readers for the environment.

A wrong value stops the start with one sentence that names the variable and says what to write.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}
_HOST = re.compile(r"\*|\.?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]", re.IGNORECASE)

# Every variable a reader was asked for: .env.example documents exactly these.
known: set[str] = set()


def read_file(path: Path) -> None:
    """Load KEY=VALUE lines from path when it exists; variables already set win."""
    if path.is_file():
        environ.Env.read_env(path)


def refuse_misspelt(path: Path) -> None:
    """Stop when path sets a variable nobody reads whose name is nearly one of ours."""
    if not path.is_file():
        return
    for line in path.read_text("utf-8").splitlines():
        name, sign, _ = line.strip().removeprefix("export ").partition("=")
        name = name.strip()
        if not sign or name.startswith("#") or name in known:
            continue
        for meant in difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.8):
            raise ImproperlyConfigured(f"{path.name} sets {name}, which nothing reads. Did you mean {meant}=…?")


def text(name: str, default: str | None = None) -> str:
    """The variable as stripped text; without a default an unset or empty variable is an error."""
    known.add(name)
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set. Write {name}=… in the environment or in .env.")
    return default


def word(name: str, default: str, *, pattern: str, looks: str) -> str:
    """A text that matches the pattern as a whole; `looks` describes it to people."""
    value = text(name, default)
    if re.fullmatch(pattern, value):
        return value
    raise ImproperlyConfigured(f"{name} must be {looks}. Write {name}={default}.")


def boolean(name: str, default: bool) -> bool:
    """true/false, yes/no, on/off, 1/0 in any case."""
    value = text(name, "true" if default else "false").lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false. Write {name}=true or {name}=false.")


def integer(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number from low to high."""
    value = text(name, str(default))
    if re.fullmatch(r"-?[0-9]{1,18}", value) and low <= int(value) <= high:
        return int(value)
    raise ImproperlyConfigured(f"{name} must be a whole number from {low} to {high}. Write {name}={default}.")


def choice(name: str, default: str, *, allowed: tuple[str, ...]) -> str:
    """One of the allowed words."""
    value = text(name, default)
    if value in allowed:
        return value
    raise ImproperlyConfigured(f"{name} must be one of: {', '.join(allowed)}. Write {name}={default}.")


def words(name: str, default: tuple[str, ...] = (), *, pattern: str = "", looks: str = "") -> list[str]:
    """A comma-separated list without empty items; each matches the pattern as a whole where there is one."""
    found = [entry.strip() for entry in text(name, ",".join(default)).split(",") if entry.strip()]
    if pattern and not all(re.fullmatch(pattern, entry) for entry in found):
        raise ImproperlyConfigured(f"{name} must be a list of {looks}.")
    return found


def hosts(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Comma-separated host names, without scheme, port or path."""
    found = words(name, default)
    if all(_HOST.fullmatch(host) for host in found):
        return found
    raise ImproperlyConfigured(
        f"{name} must be host names without http://, port or path. Write {name}=mail.example.com,example.com."
    )


def web_url(name: str, default: str) -> str:
    """An http(s) URL without path, query or trailing slash, such as https://mail.example.com."""
    value = text(name, default).rstrip("/")
    parts = urlsplit(value)
    extras = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme in {"http", "https"} and parts.hostname and _has_valid_port(value) and not extras:
        return value
    raise ImproperlyConfigured(f"{name} must be an http(s) address without a path. Write {name}={default}.")


def service_url(name: str, *, example: str, schemes: tuple[str, ...]) -> str:
    """A URL with one of the schemes, or '' when the variable is unset; the error never shows the value."""
    value = text(name, "")
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme in schemes and _has_valid_port(value) and (parts.netloc or parts.path.startswith("/")):
        return value
    starts = " or ".join(f"{scheme}://" for scheme in schemes)
    raise ImproperlyConfigured(f"{name} must be an address that starts with {starts}. Write {name}={example}.")


def path(name: str, default: Path) -> Path:
    """An absolute path; a relative one is taken from the current folder."""
    return Path(text(name, str(default))).expanduser().absolute()


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False
