"""What a template could say to somebody, read without a person: every branch of its conditions."""

from collections.abc import Iterable, Iterator

from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode
from liquid.context import RenderContext
from liquid.expression import Expression

from campaigns.content.errors import RenderingFailed
from campaigns.content.language import PLAIN_FIELDS
from campaigns.content.pieces import Pieces, Values


def whole(pieces: Pieces, values: Values) -> str:
    """All that stands in any branch, each once; holes are filled with `values` and their fallbacks."""
    context = pieces.context(values)
    return pieces.join([_every(pieces, hole.node, context) for hole in pieces.holes])


def _every(pieces: Pieces, node: Node, context: RenderContext) -> str:
    if isinstance(node, ContentNode):
        return node.text
    if isinstance(node, OutputNode):
        try:
            return pieces.render(node, context)
        except RenderingFailed:
            return ""
    return "".join(_every(pieces, child, context) for child in node.children(context))


def bare(pieces: Pieces) -> Iterator[str]:
    """Fields printed as they are: without `default`, and in no condition that asks for them."""
    context = pieces.context({})
    for hole in pieces.holes:
        yield from _bare(hole.node, frozenset(), context)


def _bare(node: Node, asked: frozenset[str], context: RenderContext) -> Iterator[str]:
    if isinstance(node, OutputNode):
        if (key := _printed(node)) and key not in asked:
            yield key
        return
    asked |= frozenset(_fields(node.expressions()))
    for child in node.children(context):
        yield from _bare(child, asked, context)


def _printed(node: OutputNode) -> str:
    """The field that is printed with nothing to stand for it, or nothing."""
    expression = node.expression
    if not isinstance(expression, FilteredExpression) or not isinstance(expression.left, Path):
        return ""
    has_fallback = "default" in {each.name for each in expression.filters or []}
    return "" if has_fallback else _field(expression.left)


def _fields(expressions: Iterable[Expression]) -> Iterator[str]:
    for expression in expressions:
        if isinstance(expression, Path):
            yield _field(expression)
        yield from _fields(expression.children())


def _field(path: Path) -> str:
    """The key of a registered field; nothing for links and for names of loops."""
    match path.path:
        case ["contact", str(key)]:
            return key
        case [str(key)] if key in PLAIN_FIELDS:
            return key
    return ""
