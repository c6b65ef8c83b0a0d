"""Markdown (with marks for Liquid) as HTML that carries its styles in its elements, as mail programs ask."""

import re

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from campaigns.content import bounded, styles, tables
from campaigns.content.errors import TooLarge
from campaigns.content.marks import Marks
from campaigns.content.source import SCHEMES, Source
from contacts.models import Sentence

# Twice as long as a body may be: a reference repeats an address that is written once.
MOST_CHARACTERS = 300_000
_TAGS = set(
    """a blockquote br code del em h1 h2 h3 h4 h5 h6 hr img li ol p pre s strong table tbody td th
    thead tr ul""".split()
)
# Styles come from our own tokens: the language itself writes none, and its HTML is off.
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"alt", "src", "title"},
    "ol": {"start", "style"},
    "ul": {"style"},
    "td": {"style"},
    "th": {"style"},
}
_BY_TOKEN = frozenset({"ol", "ul", "td", "th"})
_KEPT_IMAGE = re.compile(
    r"<img(?=[^>]*\ssrc=\"https?://[^\"]*/i/[0-9a-f]{64}/(\d+)\.(?:jpg|png)\")"
)
# The stop at the end of a sentence and a bracket around an address are no part of it.
_NOT_IN_ADDRESS = r"\s<>()\"“”«»"
_ADDRESS = re.compile(
    rf"https?://(?:\([^{_NOT_IN_ADDRESS}]*\)|[^{_NOT_IN_ADDRESS}])*"
    rf"(?:\([^{_NOT_IN_ADDRESS}]*\)|[^{_NOT_IN_ADDRESS}.,;:!?…'\]])"
)


def to_html(source: Source, body: str, marks: Marks) -> str:
    """HTML of the body, with nothing in it that the language does not have.

    Raises:
        TooLarge: it would take too long to read, or become too long.
    """
    style = styles.of(source.layout, source.direction)
    tokens = _read(body, marks)
    tables.fit(tokens, style, marks)
    _style_lists(tokens, style)
    html = nh3.clean(
        _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel=None,
        set_tag_attribute_values={
            tag: {"style": each} for tag, each in style.items() if tag not in _BY_TOKEN
        },
    )
    return _buttons(_bare_tags(_sized_images(html), marks))


def _read(body: str, marks: Marks) -> list[Token]:
    try:
        tokens = _MARKDOWN.read(_apart(body, marks))
    except bounded.TooMuchWork as error:
        line = marks.line(body.partition(error.words)[0])
        raise TooLarge(line=line, name=Sentence("brackets, stars, lists or tables")) from error
    if (length := bounded.characters(tokens)) > MOST_CHARACTERS:
        raise TooLarge.of(length, MOST_CHARACTERS)
    return tokens


def _link_addresses(state: StateCore) -> None:
    """What is written as an address leads there, without angle brackets around it."""
    for block in state.tokens:
        if block.children and any("://" in token.content for token in block.children):
            block.children = list(_linked(state.md, block.children))


def _linked(markdown: MarkdownIt, tokens: list[Token]) -> list[Token]:
    made: list[Token] = []
    depth = 0
    for token in tokens:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        made += _split(markdown, token) if token.type == "text" and not depth else [token]
    return made


def _split(markdown: MarkdownIt, token: Token) -> list[Token]:
    made: list[Token] = []
    end = 0
    for found in _ADDRESS.finditer(token.content):
        made.append(Token("text", "", 0, content=token.content[end : found.start()]))
        href = markdown.normalizeLink(found.group())
        made.append(Token("link_open", "a", 1, attrs={"href": href}))
        made.append(Token("text", "", 0, content=found.group()))
        made.append(Token("link_close", "a", -1))
        end = found.end()
    return [*made, Token("text", "", 0, content=token.content[end:])]


_MARKDOWN = bounded.BoundedMarkdown()
_MARKDOWN.core.ruler.push("addresses", _link_addresses)


def _style_lists(tokens: list[Token], style: dict[str, str]) -> None:
    """A list within a list keeps no distance to what comes after it."""
    depth = 0
    for token in tokens:
        if token.type in {"bullet_list_open", "ordered_list_open"}:
            own = style[token.tag]
            token.attrSet("style", styles.over(own, styles.INNER_LIST) if depth else own)
            depth += 1
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            depth -= 1


def _sized_images(html: str) -> str:
    """Images kept here say their width in their address: Outlook knows no `max-width`."""
    return _KEPT_IMAGE.sub(r'\g<0> width="\1"', html)


def _apart(body: str, marks: Marks) -> str:
    """Lines that hold only tags become paragraphs of their own, so that they wrap whole blocks."""
    lines = []
    for line in body.splitlines():
        only_tags = bool(line.strip()) and not re.sub(marks.pattern, "", line).strip()
        if only_tags and all(mark.tag for mark in marks.find(line)):
            line = f"\n{line.strip()}\n"
        lines.append(line)
    return "\n".join(lines)


def _bare_tags(html: str, marks: Marks) -> str:
    def unwrap(match: re.Match[str]) -> str:
        is_tags = all(mark.tag for mark in marks.find(match.group()))
        return match.group(1) if is_tags else match.group()

    return re.sub(rf"<p[^>]*>((?:\s*{marks.pattern})+)\s*</p>", unwrap, html)


def _buttons(html: str) -> str:
    """A paragraph that is one bold link becomes a button: a cell, because Outlook pads no links."""
    return re.sub(
        r"<p[^>]*><strong>(<a [^>]*?)style=\"[^\"]*\"([^>]*>)((?:(?!</a>).)*)</a></strong></p>",
        rf'{styles.BUTTON_CELL}\1class="button" style="{styles.BUTTON}"\2\3</a></td></tr></table>',
        html,
    )
