"""Parsed Liquid as constant pieces and holes: per person only the holes are rendered."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.arguments import PositionalArgument
from liquid.builtin.expressions.filtered import Filter
from liquid.builtin.expressions.primitive import StringLiteral
from liquid.builtin.output import OutputNode
from liquid.context import RenderContext
from liquid.exceptions import LiquidError, LiquidInterrupt
from liquid.output import LimitedStringIO
from liquid.stringify import to_liquid_string
from liquid.template import BoundTemplate

from campaigns.content import clean, liquid_words
from campaigns.content.errors import RenderingFailed
from campaigns.content.language import HIT, LINKS, OUTPUT_BYTES, PLAIN_FIELDS, parse

Value = str | int | float | Decimal | bool | date | datetime | Sequence[str] | None
Values = Mapping[str, Value]


class Hole(NamedTuple):
    """`key` with its `default` is read without Liquid; anything else is left to its `node`."""

    key: str
    default: str | None
    node: Node


@dataclass(frozen=True, slots=True)
class Pieces:
    """`constants` and `holes` alternate, a constant first and last."""

    constants: tuple[str, ...]
    holes: tuple[Hole, ...]
    part: str
    _template: BoundTemplate = field(repr=False)
    _escape: Callable[[str], str] = field(repr=False)

    @classmethod
    def of(cls, source: str, *, part: str, escaped: bool) -> "Pieces":
        """Parse checked Liquid. `escaped` says whether what holes print is HTML-escaped."""
        template = parse(source, escaped=escaped)
        constants: list[str] = [""]
        holes: list[Hole] = []
        for node in template.nodes:
            constant = _constant(node)
            if constant is not None:
                constants[-1] += constant
            else:
                holes.append(_hole(node))
                constants.append("")
        escape = html.escape if escaped else str
        return cls(tuple(constants), tuple(holes), part, template, escape)

    def fill(self, values: Values) -> list[str]:
        """The text of each hole for one person, in order.

        Raises:
            RenderingFailed: a limit was passed, or a filter refused the value.
        """
        context: RenderContext | None = None
        filled: list[str] = []
        for key, default, node in self.holes:
            if key:
                value = values.get(key)
                text = value if type(value) is str else _printed(value, default)
                text = text or default or ""
                filled.append(self._escape(text if text.isprintable() else clean.body(text)))
            else:
                context = context or self.context(values)
                filled.append(self.render(node, context))
        return filled

    def join(self, filled: Sequence[str]) -> str:
        """The whole text around holes filled by `fill`."""
        whole: list[str] = [""] * (2 * len(self.holes) + 1)
        whole[::2] = self.constants
        whole[1::2] = filled
        return "".join(whole)

    def context(self, values: Values) -> RenderContext:
        """What Liquid may see of one person, with the limits of one message."""
        names = {key: values.get(key) for key in LINKS | PLAIN_FIELDS | {HIT}}
        return self._template.context_class(self._template, globals={**names, "contact": values})

    def render(self, node: Node, context: RenderContext) -> str:
        """The text of one node of this template; raises `RenderingFailed`."""
        buffer = LimitedStringIO(limit=OUTPUT_BYTES)
        try:
            node.render(context, buffer)
        except (LiquidError, LiquidInterrupt, ArithmeticError, ValueError, TypeError) as error:
            raise RenderingFailed(part=self.part, name=liquid_words.of(error)) from error
        text = buffer.getvalue()
        return text if text.isprintable() else clean.body(text)


def _constant(node: Node) -> str | None:
    if isinstance(node, ContentNode):
        return node.text
    if isinstance(node, OutputNode) and isinstance(node.expression, FilteredExpression):
        left = node.expression.left
        if isinstance(left, StringLiteral) and left.value == "{" and not node.expression.filters:
            return left.value
    return None


def _hole(node: Node) -> Hole:
    """Sees what needs no Liquid: `{{ contact.city }}`, `{{ contact.city | default: "town" }}`."""
    if isinstance(node, OutputNode) and isinstance(node.expression, FilteredExpression):
        left, default = node.expression.left, _default(node.expression.filters or [])
        if isinstance(left, Path) and (default is not None or not node.expression.filters):
            return Hole(str(left.path[-1]), default, node)
    return Hole("", None, node)


def _default(filters: Sequence[Filter]) -> str | None:
    match filters:
        case [
            Filter(name="default", args=[PositionalArgument(value=StringLiteral(value=str(text)))])
        ]:
            return text
    return None


def _printed(value: Value, default: str | None) -> str:
    if value is False and default is not None:
        return ""
    return to_liquid_string(list(value) if isinstance(value, tuple) else value, autoescape=False)
