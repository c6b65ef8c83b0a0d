"""Reads MJML before it is turned into HTML: what is wrong is said in one sentence with its line.

mrml says neither where a tag was left open nor which element it does not know, and it follows nested
elements until the stack ends.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import mrml

from campaigns.content.errors import BrokenSyntax, ContentError, TooLarge, UnsafeMarkup
from campaigns.content.marks import Marks
from contacts.models import Sentence

DEEPEST = 64
# A browser reads what stands in these otherwise than our own reader does: HTML could hide there. Accordions,
# carousels and hamburgers are forms inside, which most mail programs take out.
_REFUSED = frozenset(
    """math mj-accordion mj-carousel mj-include noembed noframes noscript plaintext style svg template
    title xmp""".split()
)
_KNOWN = frozenset(
    """mjml mj-all mj-attributes mj-body mj-breakpoint mj-button mj-class mj-column mj-divider mj-font
    mj-group mj-head mj-hero mj-image mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-social
    mj-social-element mj-spacer mj-style mj-table mj-text mj-title mj-wrapper""".split()
)
_HAMBURGER = re.compile(r"\shamburger\s*=", re.IGNORECASE)
# What they hold goes into the head as it is.
_WORDS_ONLY = frozenset({"mj-preview", "mj-style", "mj-title"})
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_TOKEN = re.compile(
    r"""<!--(?P<comment>(?!>|->)(?:(?!--!?>).)*)-->
    |<(?P<slash>/?)(?P<name>[a-zA-Z][\w:-]*)
        (?P<attributes>(?:\s+[\w:@.-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'))?)*)\s*(?P<closed>/?)>
    |(?P<stray><(?=[a-zA-Z/!?]).{0,20})""",
    re.DOTALL | re.VERBOSE,
)
_POSITION = re.compile(r"at position (\d+):\d+")
_HEAD = (
    "<mj-head><mj-attributes><mj-all font-family='Arial, Helvetica, sans-serif' />"
    "<mj-text font-size='16px' line-height='25px' color='#1f2430' />"
    "<mj-button font-size='16px' background-color='#1a56b0' border-radius='6px' /></mj-attributes></mj-head>"
)
_BEFORE = f"<mjml>{_HEAD}<mj-body width='600px' background-color='#ffffff'>"
_AFTER = "</mj-body></mjml>"


class _Open(NamedTuple):
    name: str
    at: int


def to_html(body: str, marks: Marks) -> str:
    """The whole document. A body without `<mjml>` gets one, with type that reads well.

    No web font is fetched: its server would learn who opens the message.

    Raises:
        ContentError: with the line of what cannot be read or used.
    """
    _Structure(body, marks).check()
    before, after = ("", "") if re.search(r"<mjml[\s>]", body) else (_BEFORE, _AFTER)
    try:
        return mrml.to_html(
            f"{before}{body}{after}", render_options=mrml.RenderOptions(fonts={})
        ).content
    except OSError as error:
        found = _POSITION.search(str(error))
        at = int(found[1]) - len(before.encode()) if found else 0
        read = body.encode()[: max(at, 0)].decode(errors="ignore")
        raise BrokenSyntax(line=marks.line(read), name=Sentence("MJML: %s") % error) from error
    except BaseException as error:
        # What mrml stumbles over inside is no Exception: left alone it would end the request.
        if type(error).__name__ != "PanicException":
            raise
        raise BrokenSyntax(
            name=Sentence("MJML: %s") % Sentence("characters it does not know")
        ) from error


class _Structure:
    """Elements that open and close in turn, none too deep, none unknown."""

    def __init__(self, body: str, marks: Marks) -> None:
        self._body = body
        self._marks = marks
        self._open: list[_Open] = []

    def check(self) -> None:
        for found in self._tokens():
            if found["stray"]:
                raise self._broken(
                    found.start(), Sentence("“%s” is no tag") % found["stray"].partition("\n")[0]
                )
            if found["name"]:
                self._element(found)
        if self._open:
            name, at = self._open[-1]
            raise self._broken(at, Sentence("<%s> is never closed") % name)

    def _tokens(self) -> Iterator[re.Match[str]]:
        return _TOKEN.finditer(self._body)

    def _element(self, found: re.Match[str]) -> None:
        name, at = found["name"], found.start()
        if found["slash"]:
            self._close(name, at)
            return
        if name.lower() in _REFUSED:
            raise UnsafeMarkup(line=self._line(at), name=f"<{name}>")
        if _HAMBURGER.search(found["attributes"]):
            raise UnsafeMarkup(line=self._line(at), name="hamburger")
        if name.lower().startswith("mj") and name not in _KNOWN:
            raise self._broken(at, Sentence("MJML has no element <%s>") % name)
        if self._open and self._open[-1].name in _WORDS_ONLY:
            raise self._broken(at, Sentence("<%s> holds words only") % self._open[-1].name)
        if not found["closed"] and name.lower() not in _VOID:
            self._open.append(_Open(name, at))
        if len(self._open) > DEEPEST:
            raise TooLarge(line=self._line(at), name=Sentence("elements within elements"))

    def _close(self, name: str, at: int) -> None:
        if not self._open:
            raise self._broken(at, Sentence("</%s> closes nothing") % name)
        opened = self._open.pop()
        if opened.name != name:
            words = Sentence(
                "</%(found)s> stands where </%(wanted)s> is due, opened in line %(line)d"
            ) % {
                "found": name,
                "wanted": opened.name,
                "line": self._line(opened.at),
            }
            raise self._broken(at, words)

    def _broken(self, at: int, words: Sentence) -> ContentError:
        return BrokenSyntax(line=self._line(at), name=words)

    def _line(self, at: int) -> int:
        return self._marks.line(self._body[:at])
