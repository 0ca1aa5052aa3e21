"""One recipient's values: what they look like as text, and how each place in a mail makes them harmless.

Values are never read as template code, HTML or a link of their own choosing (evil inputs 12 and 13).
"""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Callable
from decimal import Decimal
from enum import Enum, auto
from urllib.parse import quote

from liquid import Undefined

from campaigns.content.problems import RenderError


class Place(Enum):
    """Where a slot stands. The PLAIN ones are in the text part, where nothing is HTML-escaped."""

    TEXT = auto()
    ATTRIBUTE = auto()
    STYLE = auto()
    URL_START = auto()
    IN_URL = auto()
    IN_MAIL = auto()
    PLAIN = auto()
    PLAIN_URL_START = auto()
    PLAIN_IN_URL = auto()
    PLAIN_IN_MAIL = auto()
    LINE = auto()


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]").search
_LINE_BREAK = re.compile("\r\n?|\x0b|\x0c|\x85|\u2028|\u2029")
_LINK = re.compile(r"(?:https?://[^\s/?#]|mailto:[^\s]|tel:[+0-9])[^\x00-\x20\x7f-\xa0\\]*", re.IGNORECASE)
_STYLE = re.compile(r"[A-Za-z0-9#.%, -]*").fullmatch
_NOT_IN_URL = re.compile(r"[^!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]+")


class MissingValue(Exception):
    """No value, and no default."""


def text_of(value: object) -> str:
    """The value as it is printed; raises MissingValue for none, RenderError for what has no obvious text (MF-13)."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Undefined):
        raise MissingValue
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal | dt.date | dt.datetime):
        return str(value)
    raise RenderError(
        "content.value-not-text",
        "A value is a list or an object, which cannot be printed as it is.",
        action="Print one of its fields, or join the list with a filter.",
    )


def clean(value: str) -> str:
    """The value with line breaks as \\n; raises RenderError when it holds control characters."""
    if _CONTROL(value):
        raise RenderError(
            "content.control-character",
            "A value holds control characters that no mail may carry.",
            action="Correct the contact's data.",
        )
    return _LINE_BREAK.sub("\n", value)


def _escape(value: str) -> str:
    return html.escape(clean(value))


def _link(value: str) -> str:
    """A whole link or its beginning; only http, https, mailto and tel may be sent."""
    text = clean(value).strip()
    if not _LINK.fullmatch(text):
        raise RenderError(
            "content.unsafe-link",
            "A value used as a link is not an http, https, mailto or tel address.",
            action="Correct the contact's data, or give the variable a complete https:// address.",
        )
    return _NOT_IN_URL.sub(lambda found: quote(found[0], safe=""), text)


def _in_url(value: str) -> str:
    return quote(clean(value), safe="")


def _in_mail(value: str) -> str:
    return quote(clean(value), safe="@+")


def _style(value: str) -> str:
    if not _STYLE(value):
        raise RenderError(
            "content.unsafe-style",
            "A value used in a style holds characters other than letters, digits and # . % , -",
            action="Use colours such as #0a7d5c and plain words in style values.",
        )
    return value


def _line(value: str) -> str:
    """For headers: a line break may not be smuggled in (MF-09, evil inputs 9 and 10)."""
    if "\n" in clean(value):
        raise RenderError(
            "content.line-break-in-header",
            "A value used in the subject holds a line break.",
            action="Correct the contact's data.",
        )
    return value


def _escaped(encode: Callable[[str], str]) -> Callable[[str], str]:
    return lambda value: html.escape(encode(value))


ENCODERS: dict[Place, Callable[[str], str]] = {
    Place.TEXT: _escape,
    Place.ATTRIBUTE: _escape,
    Place.STYLE: _style,
    Place.URL_START: _escaped(_link),
    Place.IN_URL: _escaped(_in_url),
    Place.IN_MAIL: _escaped(_in_mail),
    Place.PLAIN: clean,
    Place.PLAIN_URL_START: _link,
    Place.PLAIN_IN_URL: _in_url,
    Place.PLAIN_IN_MAIL: _in_mail,
    Place.LINE: _line,
}


def _harmless() -> dict[Place, Callable[[str], object]]:
    """Tests by place: a value that passes is the same encoded or not, in quoted-printable too."""
    text = re.compile(r"[ !#-%(-;?-~]*").fullmatch
    part = re.compile(r"[A-Za-z0-9._~-]*").fullmatch
    link = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9._~/:-]*").fullmatch
    tests: dict[Place, Callable[[str], object]] = dict.fromkeys((Place.TEXT, Place.ATTRIBUTE, Place.PLAIN), text)
    tests |= dict.fromkeys((Place.IN_URL, Place.IN_MAIL, Place.PLAIN_IN_URL, Place.PLAIN_IN_MAIL), part)
    tests |= dict.fromkeys((Place.URL_START, Place.PLAIN_URL_START), link)
    return tests | {Place.STYLE: re.compile(r"[A-Za-z0-9#.%, -]*").fullmatch, Place.LINE: text}


HARMLESS = _harmless()
