"""Words of the page that describes the Email API."""

from __future__ import annotations

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

_CODE = re.compile(r"`([^`]+)`")
_BREAKS = re.compile(r"([./\]])(?=[\w{])")


@register.filter
def code_words(text: str) -> SafeString:
    """The text, with what stands in backquotes as code."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308 - escaped before


@register.filter
def breakable(path: str) -> SafeString:
    """A long path that may break after its dots and slashes."""
    return mark_safe(_BREAKS.sub(r"\1<wbr>", escape(path)))  # noqa: S308 - escaped before
