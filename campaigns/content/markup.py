"""Turns what the marketer wrote (with marks for Liquid) into HTML that mail clients can show."""

import re
from html.parser import HTMLParser

import nh3

from campaigns.content import markdown, mjml
from campaigns.content.errors import UnsafeMarkup
from campaigns.content.marks import Marks
from campaigns.content.source import SCHEMES, Source

_HTML_TAGS = set(
    """a abbr b big blockquote br caption center code col colgroup dd del div dl dt em figcaption
    figure font h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s section small span strike
    strong sub sup table tbody td tfoot th thead tr u ul""".split()
)
_HTML_ATTRIBUTES = {
    "*": set("align bgcolor border dir height lang role style title valign width".split()),
    "a": {"href", "name", "target"},
    "img": {"alt", "src"},
    "table": {"cellpadding", "cellspacing"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "ol": {"start"},
    "font": {"color", "face", "size"},
}
_FORBIDDEN = frozenset(
    """applet audio base button embed form frame frameset iframe input link meta object script
    select svg textarea video""".split()
)
_MJML_HEAD = frozenset({"meta", "link"})
_URL_ATTRIBUTES = frozenset(
    {"href", "src", "background", "background-url", "action", "poster", "xlink:href"}
)
_RUNS = re.compile(rf"<(?:{'|'.join(sorted(_FORBIDDEN))})\b")
_RUNNING_SCHEMES = frozenset({"data", "javascript", "vbscript"})
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*(?=:)", re.IGNORECASE)
_TAG_NAME = re.compile(r"<([a-zA-Z][^\s/>]*)")


def to_html(source: Source, body: str, marks: Marks) -> str:
    """HTML of the body: a fragment, or for MJML a whole document.

    Raises:
        BrokenSyntax: MJML that cannot be read.
        UnsafeMarkup: scripts, forms, event attributes, a value in a place it could break out of.
    """
    if source.markup == "markdown":
        return markdown.to_html(source, body, marks)
    if source.markup == "html":
        _refuse_unsafe(body, marks)
        return nh3.clean(
            body,
            tags=_HTML_TAGS,
            attributes=_HTML_ATTRIBUTES,
            url_schemes=SCHEMES,
            link_rel=None,
        )
    html = mjml.to_html(body, marks)
    _refuse_unsafe(body, marks)
    _refuse_unsafe(html, marks, made_of=body)
    _refuse_running(html)
    return html


def _refuse_running(html: str) -> None:
    """What a browser's own parser (html5ever) finds that could run, where ours might read otherwise."""
    tags = {name.lower() for name in _TAG_NAME.findall(html)} - _MJML_HEAD
    seen: list[tuple[str, str]] = []

    def see(tag: str, name: str, value: str) -> str:
        seen.append((name, value))
        return value

    read = nh3.clean(
        html,
        tags=tags,
        clean_content_tags=set(),
        attributes={tag: set(_URL_ATTRIBUTES) for tag in tags},
        generic_attribute_prefixes={"on"},
        attribute_filter=see,
        url_schemes=SCHEMES | _RUNNING_SCHEMES,
        link_rel=None,
    )
    for name, value in seen:
        if name.startswith("on") or _scheme(value) in _RUNNING_SCHEMES:
            raise UnsafeMarkup(name=_short(name, value))
    if found := _RUNS.search(read):
        raise UnsafeMarkup(name=f"{found.group()}>")


def _short(name: str, value: str) -> str:
    return f'{name}="{value[:40]}"'


def _scheme(url: str) -> str:
    """The scheme as browsers read it: without the white space and control characters in it."""
    found = _SCHEME.match(re.sub(r"[\x00-\x20\x7f]+", "", url))
    return found.group().lower() if found else ""


def _refuse_unsafe(html: str, marks: Marks, made_of: str = "") -> None:
    """`made_of` is the MJML that was turned into this HTML: lines are counted there."""
    guard = _Guard(marks, made_of)
    guard.feed(html)
    guard.close()


class _Guard(HTMLParser):
    def __init__(self, marks: Marks, made_of: str) -> None:
        super().__init__(convert_charrefs=True)
        self._marks = marks
        self._made_of = made_of
        self._allowed = _MJML_HEAD if made_of else frozenset[str]()
        self._read: list[str] = []
        self._in_style = False

    def feed(self, data: str) -> None:
        self._read = data.split("\n")
        super().feed(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in _FORBIDDEN - self._allowed:
            self._refuse(f"<{tag}>", self.get_starttag_text() or "")
        if self._has_mark(tag) or self._is_unquoted(self.get_starttag_text() or ""):
            self._refuse(f"<{tag}>", self.get_starttag_text() or "")
        for name, value in attrs:
            self._check_attribute(name, value or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style and self._has_mark(data):
            self._refuse("<style>", data)

    def _check_attribute(self, name: str, value: str) -> None:
        is_elsewhere = name in _URL_ATTRIBUTES and _scheme(value) not in {"", *SCHEMES}
        if is_elsewhere:
            self._refuse(_short(name, value), value)
        if name.startswith("on"):
            self._refuse(name, value)
        if self._has_mark(name) or (
            name in {"style", "srcset", "http-equiv"} and self._has_mark(value)
        ):
            self._refuse(name, value)

    def _has_mark(self, text: str) -> bool:
        return re.search(self._marks.pattern, text) is not None

    def _is_unquoted(self, start: str) -> bool:
        bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", start)
        return self._has_mark(bare)

    def _refuse(self, name: str, text: str) -> None:
        line = next((mark.line for mark in self._marks.find(text)), None)
        raise UnsafeMarkup(line=line or self._marks.line(self._before(name)), name=name)

    def _before(self, name: str) -> str:
        """What stands before it in the source."""
        if self._made_of:
            before, found, _after = self._made_of.lower().partition(name.strip("<>"))
            return before if found else ""
        return "".join(f"{line}\n" for line in self._read[: self.getpos()[0] - 1])
