"""The template language: Liquid decides what is printed where, it never prints a value itself.

Every output statement puts a marker into the text and keeps its value beside it. The text with markers is
the skeleton; HTML work happens on skeletons, values are filled in last, each encoded for its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from liquid import BoundTemplate, Node, RenderContext
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.capture_tag import CaptureNode
from liquid.builtin.tags.comment_tag import CommentNode
from liquid.exceptions import LiquidError, LiquidSyntaxError
from liquid.expression import Expression

from campaigns.content.environment import ENVIRONMENT, Context, Printed, Skeleton, SlotNode, as_render_error
from campaigns.content.markers import mark

# Infobip's reserved placeholders.
_INFOBIP = {"unsubscribe": "{{unsubscribe_url}}", "browserlink": "{{browser_url}}"}
_INFOBIP_NAME = re.compile(r"\{\$\s*(unsubscribe|browserlink)\s*\}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Name:
    """A variable as used in a source: its first segment and the line."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class LiquidSource:
    """A parsed source. `has_logic` is False when it only substitutes."""

    text: str
    template: BoundTemplate
    has_logic: bool

    def render(self, scope: Mapping[str, object], *, printed: Printed) -> str:
        """The skeleton for these values; what it prints is appended to `printed`. Raises RenderError."""
        if all(isinstance(node, ContentNode) for node in self.template.nodes):
            return "".join(str(node) for node in self.template.nodes)
        buffer = Skeleton(printed)
        try:
            self.template.render_with_context(Context(self.template, globals=scope), buffer)
        except (LiquidError, ValueError, TypeError, ArithmeticError, LookupError, RecursionError) as error:
            # From None: the library's sentence may quote a value.
            raise as_render_error(error) from None
        return buffer.getvalue()

    def slots(self) -> Iterator[SlotNode]:
        """The output statements at the top, in order; all there are when there is no logic."""
        return (node for node in self.template.nodes if isinstance(node, SlotNode))

    def fixed_skeleton(self, number: Callable[[SlotNode], int]) -> str:
        """The one skeleton of a source without logic; `number` gives the slot of each statement."""
        return "".join(_fixed(node, number) for node in self.template.nodes)

    def every_branch(self) -> tuple[str, list[SlotNode]]:
        """A skeleton with all branches one after the other, to look for slots in wrong places."""
        slots: list[SlotNode] = []
        return "".join(self._flatten(self.template.nodes, slots)), slots

    def _flatten(self, nodes: Iterable[Node], slots: list[SlotNode]) -> Iterator[str]:
        context = RenderContext(self.template)
        for node in nodes:
            if isinstance(node, ContentNode):
                yield node.text
            elif isinstance(node, SlotNode):
                slots.append(node)
                yield mark(len(slots) - 1)
            elif not isinstance(node, CaptureNode):
                yield from self._flatten(node.children(context, include_partials=False), slots)

    def line_of(self, index: int) -> int:
        return self.text.count("\n", 0, index) + 1


def _fixed(node: Node, number: Callable[[SlotNode], int]) -> str:
    if isinstance(node, SlotNode):
        return mark(number(node))
    return node.text if isinstance(node, ContentNode) else ""


def read_placeholders(source: str) -> str:
    """The source with Infobip's `{$unsubscribe}` and `{$browserlink}` as Liquid names; lines stay."""
    return _INFOBIP_NAME.sub(lambda found: _INFOBIP[found[1].lower()], source)


def parse(source: str) -> LiquidSource:
    """Parse a source; raises liquid's LiquidError with the token at fault."""
    template = ENVIRONMENT.from_string(source)
    _check_ranges(template, template.nodes)
    plain = all(isinstance(node, ContentNode | SlotNode | CommentNode) for node in template.nodes)
    return LiquidSource(source, template, has_logic=not plain)


def error_line(error: LiquidError, *, source: str) -> int | None:
    """The line of the token at fault, from 1."""
    if error.token is None or error.token.start_index < 0:
        return None
    return source.count("\n", 0, error.token.start_index) + 1


def names_in(source: LiquidSource) -> list[Name]:
    """The names a source expects to be given, with their lines; its own assigns and loop names are not among them."""
    found = source.template.analyze(include_partials=False).globals
    return [Name(name, source.line_of(use.span.index)) for name, uses in found.items() for use in uses]


def unknown_filters(source: LiquidSource) -> list[Name]:
    """Filters that do not exist, with their lines."""
    found = source.template.analyze(include_partials=False).filters
    return [
        Name(name, source.line_of(span.index))
        for name, spans in found.items()
        if name not in ENVIRONMENT.filters
        for span in spans
    ]


def evaluation_context(source: LiquidSource, *, scope: Mapping[str, object]) -> RenderContext:
    """A context to work out single expressions in."""
    return Context(source.template, globals=scope)


def _check_ranges(template: BoundTemplate, nodes: Iterable[Node]) -> None:
    """Ranges may only be looped over: searching or filtering one costs its length, whatever the loop limit."""
    context = RenderContext(template)
    for node in nodes:
        for expression in node.expressions():
            looped = expression.iterable if isinstance(expression, LoopExpression) else None
            for part in _parts(expression):
                if isinstance(part, RangeLiteral) and part is not looped:
                    raise LiquidSyntaxError("a range (1..9) can only be used in a for loop", token=node.token)
        _check_ranges(template, node.children(context, include_partials=False))


def _parts(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        yield from _parts(child)


def names_bound(source: LiquidSource) -> set[str]:
    """Names a source gives values to itself: assign, capture and loop variables."""
    context = RenderContext(source.template)

    def bound(nodes: Iterable[Node]) -> Iterator[str]:
        for node in nodes:
            yield from (str(name) for name in node.template_scope())
            yield from (str(name) for name in node.block_scope())
            yield from bound(node.children(context, include_partials=False))

    return set(bound(source.template.nodes))
