"""Our Liquid environment: output statements print slots, and untrusted templates meet limits (evil input 14)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, TextIO, cast

from liquid import BoundTemplate, Environment, FalsyStrictUndefined, RenderContext, Token
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.cycle_tag import CycleNode, CycleTag
from liquid.builtin.tags.echo_tag import EchoTag
from liquid.exceptions import LiquidError, OutputStreamLimitError, ResourceLimitError, UndefinedError
from liquid.expression import Expression

from campaigns.content.markers import MOST_SLOTS, mark
from campaigns.content.problems import RenderError
from campaigns.content.values import MissingValue, text_of

_TAGS = frozenset(
    [
        "content",
        "output",
        "illegal",
        "if",
        "unless",
        "case",
        "for",
        "break",
        "continue",
        "capture",
        "assign",
        "cycle",
        "comment",
        "#",
        "doc",
        "echo",
    ]
)
# They would encode twice: values are encoded for the place they stand in.
ENCODING_FILTERS = frozenset(["escape", "escape_once", "escapejs", "safe", "url_encode", "newline_to_br"])
MISSING = "content.value-missing"
_SECONDS = 2.0
_OUTPUT_LIMIT = 2_000_000
_VALUE_LIMIT = 200_000


@dataclass(slots=True)
class Printed:
    """What the output statements of one rendering printed, in the order of their markers.

    `names` has the variable's name where the statement is just a name. A value that could not be worked out
    is kept as its error: a slot that the HTML work drops (a comment) needs no value.
    """

    names: list[str] = field(default_factory=list)
    values: list[object] = field(default_factory=list)


class Skeleton(StringIO):
    """The output stream: text as written, markers for values."""

    def __init__(self, printed: Printed) -> None:
        super().__init__()
        self._printed = printed
        self._size = 0

    def write(self, text: str) -> int:
        self._size += len(text)
        if self._size > _OUTPUT_LIMIT:
            raise OutputStreamLimitError("the result is too long", token=None)
        return super().write(text)

    def print(self, name: str, value: object) -> int:
        slot = len(self._printed.values)
        if slot >= MOST_SLOTS:
            raise OutputStreamLimitError(f"more than {MOST_SLOTS} values are printed", token=None)
        self._printed.names.append(name)
        self._printed.values.append(value)
        return self.write(mark(slot))


class Context(RenderContext):
    """A context with a deadline in CPU time, so a busy machine fails no recipient; loops and filters look at it."""

    __slots__ = ("_deadline",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = time.thread_time() + _SECONDS

    def check_time(self) -> None:
        if time.thread_time() > self._deadline:
            raise OutputStreamLimitError("it takes too long", token=None)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        self.check_time()
        return super().filter(name, token)

    def assign(self, key: str, val: Any) -> None:
        self.check_time()
        super().assign(key, val)


def _print(name: str, evaluate: Callable[[RenderContext], object], context: RenderContext, buffer: TextIO) -> int:
    cast("Context", context).check_time()
    if not isinstance(buffer, Skeleton):
        # A capture: its text becomes a value, so real values go in.
        return buffer.write(printed_text(name, evaluate_now(evaluate, context)))
    return buffer.print(name, evaluate_now(evaluate, context))


def evaluate_now(evaluate: Callable[[RenderContext], object], context: RenderContext) -> object:
    """The value, or the error that working it out ends in; limits still raise."""
    try:
        return evaluate(context)
    except ResourceLimitError:
        raise
    except (LiquidError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        return as_render_error(error)


def printed_text(name: str, value: object) -> str:
    """The text of a value, or a RenderError that names the variable."""
    if isinstance(value, RenderError):
        raise value
    try:
        return text_of(value)
    except MissingValue:
        raise RenderError(
            MISSING,
            f"There is no value for {name or 'an expression'} and no default.",
            action=f"Give {name or 'it'} a default in the template, or fill in the contact's data.",
        ) from None
    except ValueError as error:
        # A number of thousands of digits; from None: the sentence may quote it.
        raise as_render_error(error) from None


class SlotNode(OutputNode):
    """`{{ … }}` and `{% echo … %}`."""

    __slots__ = ("name",)

    def __init__(self, token: Token, expression: Expression) -> None:
        super().__init__(token, expression)
        path = self.plain_path()
        self.name = path[0] if path is not None and len(path) == 1 else str(expression)[:60]

    def plain_path(self) -> tuple[str, ...] | None:
        """The segments when the statement only names a value, so no Liquid is needed to resolve it."""
        expression = self.expression
        if (
            not isinstance(expression, FilteredExpression)
            or expression.filters
            or not isinstance(expression.left, Path)
        ):
            return None
        segments = tuple(part for part in expression.left.path if isinstance(part, str))
        # size, first and last also mean something on lists and texts; Liquid knows what.
        if len(segments) != len(expression.left.path) or {"size", "first", "last"} & set(segments[1:]):
            return None
        return segments

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return _print(self.name, self.expression.evaluate, context, buffer)


class _CycleSlotNode(CycleNode):
    """`{% cycle %}` may print values of the recipient, so it prints a slot too."""

    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        def evaluate(context: RenderContext) -> object:
            values = [arg.evaluate(context) for arg in self.args]
            key = str(self.group.evaluate(context)) if self.group else str([str(arg) for arg in self.args])
            return values[context.cycle(key, len(values)) % len(values)]

        return _print("", evaluate, context, buffer)


class _SlotTag(Output):
    node_class = SlotNode


class _EchoSlotTag(EchoTag):
    node_class = SlotNode  # type: ignore[assignment]


class _CycleSlotTag(CycleTag):
    node_class = _CycleSlotNode


class _Template(BoundTemplate):
    context_class = Context


class _Environment(Environment):
    template_class = _Template
    block_nesting_limit = 20
    context_depth_limit = 20
    loop_iteration_limit = 10_000
    local_namespace_limit = _VALUE_LIMIT
    output_stream_limit = _VALUE_LIMIT

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(_SlotTag)
        self.add_tag(_EchoSlotTag)
        self.add_tag(_CycleSlotTag)
        self.tags = {name: tag for name, tag in self.tags.items() if name in _TAGS}
        for name in ENCODING_FILTERS | {"base64_encode", "base64_url_safe_encode"}:
            self.filters.pop(name, None)
        for name in ("replace", "join"):
            self.filters[name] = _bounded(self.filters[name])


def _bounded(plain: Callable[..., object]) -> Callable[..., object]:
    """The filter, refusing results that would not fit: `replace: "", s` squares a text's length."""

    def bounded(left: object, *args: object, **kwargs: object) -> object:
        count = len(left) if isinstance(left, str | list | tuple) else 1
        longest = max((len(str(arg)) for arg in args), default=1)
        if (count + 1) * (longest + 1) > 10 * _VALUE_LIMIT:
            raise OutputStreamLimitError("a filter makes a text that is too long", token=None)
        return plain(left, *args, **kwargs)

    for mark_name in ("with_context", "with_environment"):
        if hasattr(plain, mark_name):
            setattr(bounded, mark_name, getattr(plain, mark_name))
    return bounded


ENVIRONMENT = _Environment(undefined=FalsyStrictUndefined, strict_filters=True)


def as_render_error(error: Exception) -> RenderError:
    if isinstance(error, RenderError):
        return error
    if isinstance(error, UndefinedError):
        return RenderError(
            MISSING,
            "A value that the template compares or filters is missing, and there is no default.",
            action="Give the variable a default, or fill in the contact's data.",
        )
    if isinstance(error, ResourceLimitError):
        return RenderError(
            "content.limit",
            f"The template is too much work: {error.message}.",
            action="Use fewer loops and shorter lists.",
        )
    return RenderError(
        "content.template-failed",
        "The template cannot work with this recipient's values.",
        action="Look at filters and comparisons: a text is not a number until `| plus: 0`.",
    )
