"""Small pieces the screens' templates need and Django's template language lacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import template
from django.db.models.options import Options
from django.forms import BoundField
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from campaigns.admin.words import screen_name, word
from campaigns.domains.lookalike import show_name

register = template.Library()


@register.filter
def label_cells(results: Iterable[Iterable[str]], headers: Iterable[dict[str, Any]]) -> list[list[SafeString]]:
    """The cells of Django's result list with their column's name on each, for tables that become cards on a phone."""
    labels = [str(header["text"]) for header in headers]
    return [[_label(cell, label=labels[place]) for place, cell in enumerate(result)] for result in results]


def _label(cell: str, *, label: str) -> SafeString:
    name = escape(label[:1].upper() + label[1:])
    # The cell is Django's own escaped markup; only the escaped column name is added.
    return mark_safe(cell.replace("<td ", f'<td data-label="{name}" ', 1))  # noqa: S308


@register.filter
def describe(field: BoundField) -> SafeString:
    """The widget with its hint and errors tied to it, for those who cannot see them beside it."""
    attrs = dict(field.field.widget.attrs)
    ids = [f"{field.auto_id}_hint"] if field.help_text else []
    if field.errors:
        ids.append(f"{field.auto_id}_error")
        attrs["aria-invalid"] = "true"
    if ids:
        attrs["aria-describedby"] = " ".join(ids)
    return field.as_widget(attrs=attrs)


@register.filter
def words(opts: Options[Any], count: int = 2) -> str:
    """What rows of this table are called."""
    return word(opts, count=count)


@register.filter
def screen(opts: Options[Any]) -> str:
    """What the screen of this table is called."""
    return screen_name(opts)


@register.filter
def shown_domain(name: str) -> str:
    """A domain in its own letters."""
    return show_name(name)


@register.filter
def thousands(number: int) -> str:
    """12,345."""
    return f"{number:,}"
