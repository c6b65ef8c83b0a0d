"""The template language of newsletters: a small part of Liquid over plain values.

It reads registered fields and three links, decides and repeats; it cannot include, assign, load or
reach an object. Everything a hole prints is escaped in HTML, string literals too.
"""

import html
import re
from collections.abc import Iterable
from itertools import chain
from typing import TextIO
from urllib.parse import quote

import liquid
from liquid.builtin.output import Output, OutputNode
from liquid.context import RenderContext
from liquid.exceptions import LiquidError, LoopIterationLimitError
from liquid.static_analysis import TemplateAnalysis, Variable
from liquid.stringify import to_liquid_string
from liquid.template import BoundTemplate

from campaigns.content import liquid_words
from campaigns.content.errors import (
    BrokenSyntax,
    ContentError,
    TooLarge,
    UnknownFilter,
    UnknownName,
    UnknownTag,
)
from campaigns.content.marks import Mark
from contacts.models import Sentence

LINKS = frozenset({"unsubscribe_url", "manage_url", "view_url"})
# Ours alone: nobody can write it into a message.
HIT = "hit_token"
PLAIN_FIELDS = frozenset({"first_name", "last_name"})
TAGS = frozenset({"if", "unless", "case", "for", "break", "continue", "comment"})
INNER_TAGS = frozenset(
    {"elsif", "else", "when", "endif", "endunless", "endcase", "endfor", "endcomment"}
)
# Left out on purpose: what multiplies text (`replace`, `split`), prints unescaped (`safe`), hides
# text from a reader of the source (`base64_*`), or reaches into objects (`map`, `where`, `find`).
FILTERS = frozenset(
    """abs append at_least at_most capitalize ceil date default divided_by downcase first floor
    join last minus modulo plus prepend remove round size slice strip times truncate
    truncatewords upcase url_encode""".split()
)
LOOP_PROPERTIES = frozenset({"index", "index0", "rindex", "rindex0", "first", "last", "length"})
LOOP_ITERATIONS = 500
_STRING = re.compile(r"'[^']*'|\"[^\"]*\"")
_SMALL_RANGE = re.compile(r"\(\s*-?\d{1,4}\s*\.\.\s*-?\d{1,4}\s*\)")
OUTPUT_BYTES = 100_000


class _Context(RenderContext):
    """Counts every turn of every loop, so that nesting and repeating loops share one limit."""

    turns = 0

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.turns += length
        if self.turns > LOOP_ITERATIONS:
            raise LoopIterationLimitError(f"more than {LOOP_ITERATIONS} loop turns", token=None)


class _Template(BoundTemplate):
    context_class = _Context


class _EscapedNode(OutputNode):
    # Liquid's own autoescape trusts string literals, which would let `{{ "<script>" }}` through.
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        return buffer.write(html.escape(to_liquid_string(value, autoescape=False)))


class _EscapedOutput(Output):
    node_class = _EscapedNode


class _Language(liquid.Environment):
    block_nesting_limit = 8
    output_stream_limit = OUTPUT_BYTES
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        kept = TAGS | {"content", "output", "illegal"}
        self.tags = {name: tag for name, tag in self.tags.items() if name in kept}
        self.filters = {name: do for name, do in self.filters.items() if name in FILTERS}
        self.add_filter("url_encode", _url_encode)


def _url_encode(value: object) -> str:
    return quote(to_liquid_string(value, autoescape=False), safe="")


PLAIN = _Language()
HTML = _Language()
HTML.add_tag(_EscapedOutput)


def parse(source: str, *, escaped: bool) -> BoundTemplate:
    """Parse text that `check` has already accepted."""
    return (HTML if escaped else PLAIN).from_string(source)


def check(source: str, *, marks: Iterable[Mark], part: str, fields: frozenset[str]) -> set[str]:
    """The registered fields that `source` uses.

    Raises:
        ContentError: naming the part, the line, and the first thing that is not allowed.
    """
    for mark in marks:
        if mark.tag and mark.tag not in TAGS | INNER_TAGS:
            raise UnknownTag(part=part, line=mark.line, name=mark.tag)
        if ".." in mark.liquid and not _is_small_range(mark):
            raise TooLarge(part=part, line=mark.line, name=mark.liquid[:60])
    try:
        analysis = PLAIN.from_string(source).analyze(include_partials=False)
    except LiquidError as error:
        raise _broken(error, part) from error
    except (RecursionError, ValueError, OverflowError) as error:
        raise TooLarge(
            part=part, name=Sentence("conditions and loops within each other")
        ) from error
    _check_filters(analysis, source, part)
    return _check_names(analysis, source, part, fields)


def _is_small_range(mark: Mark) -> bool:
    """Ranges belong into loops and have written bounds: `join` or `reversed` would list every number."""
    if "\\" in mark.liquid:
        return False
    bare = _STRING.sub("", mark.liquid)
    return ".." not in (_SMALL_RANGE.sub("", bare) if mark.tag == "for" else bare)


def _broken(error: LiquidError, part: str) -> ContentError:
    token = error.token
    line = _line(token.source, token.start_index) if token and token.start_index >= 0 else 1
    kind = TooLarge if "nesting limit" in str(error.message) else BrokenSyntax
    return kind(part=part, line=line, name=liquid_words.of(error))


def _check_filters(analysis: TemplateAnalysis, source: str, part: str) -> None:
    for name, spans in analysis.filters.items():
        if name not in FILTERS:
            raise UnknownFilter(part=part, line=_line(source, spans[0].index), name=name)


def _check_names(
    analysis: TemplateAnalysis, source: str, part: str, fields: frozenset[str]
) -> set[str]:
    used: set[str] = set()
    outer = {(each.span.index, str(each)) for found in analysis.globals.values() for each in found}
    for variable in chain.from_iterable(analysis.variables.values()):
        is_outer = (variable.span.index, str(variable)) in outer
        key = _global(variable, fields) if is_outer else _local(variable)
        if key is None:
            line = _line(source, variable.span.index)
            raise UnknownName(part=part, line=line, name=str(variable))
        used |= {key} & fields
    return used


def _global(variable: Variable, fields: frozenset[str]) -> str | None:
    match variable.segments:
        case [str(name)] if name in LINKS or name in PLAIN_FIELDS & fields:
            return name
        case ["contact", str(name)] if name in fields:
            return name
    return None


def _local(variable: Variable) -> str | None:
    match variable.segments:
        case ["forloop", str(name)] if name in LOOP_PROPERTIES:
            return ""
        case [str(name)] if name != "forloop":
            return ""
    return None


def _line(source: str, index: int) -> int:
    return source.count("\n", 0, max(index, 0)) + 1
