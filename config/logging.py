"""What leaves the process as text about itself: log lines and error pages, without anybody's data.

Nothing here is an excuse to log an address; it is the last line of defence for texts of libraries.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from campaigns import addresses

# The token of a reader's link opens a page for whoever holds it, that of a callback address takes reports.
_TOKEN = re.compile(r"(?:(?<=/u/)|(?<=/p/)|(?<=/me/))[^\s/?\"']{16,}|(?<=/callbacks/)[^\s?\"']{16,}")
_BREAKS = str.maketrans({"\r": "\\r", "\n": "\\n", "\x1b": "\\x1b"})


def redact(text: str) -> str:
    """The text with everything that looks like an address or an unsubscribe token masked."""
    return _TOKEN.sub("[token]", addresses.redact(text))


class RedactingFormatter(logging.Formatter):
    """One line per record in UTC; masks addresses and tokens everywhere, exception text included."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        # A line break in a value would let a visitor write log lines of their own.
        record.message = record.message.translate(_BREAKS)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class ShowNothing(SafeExceptionReporterFilter):
    """Keeps settings and the variables of frames out of every report."""

    def get_safe_settings(self) -> dict[str, Any]:
        return {}

    def get_traceback_frame_variables(
        self,
        request: HttpRequest | None,  # noqa: ARG002 - Django's signature
        tb_frame: FrameType,  # noqa: ARG002
    ) -> ItemsView[str, Any]:
        return {}.items()


class SafeExceptionReporter(ExceptionReporter):
    """An error page with the traceback and the source around it, and nothing of the request."""

    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        return data | {"request": None, "user_str": None, "unicode_hint": ""}

    def get_traceback_html(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_html()))  # noqa: S308 - Django's own page, escaped by it

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redact(super().get_traceback_text()))  # noqa: S308
