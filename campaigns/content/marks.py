"""Carries Liquid through Markdown, MJML and HTML cleaning, which would mangle it.

Every `{{ … }}` and `{% … %}` is swapped for a mark, a word of lower-case letters and digits that
those leave alone, and put back when they are done.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from campaigns.content.errors import BrokenSyntax, TooLarge
from contacts.models import Sentence

LONGEST = 1_000
MOST = 2_000
_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{\{|\{%", re.DOTALL)
_TAG = re.compile(r"\{%-?\s*(\w+|#)?")
_BRACE = re.compile(r"\{(?=[{%]|\Z)")


@dataclass(frozen=True, slots=True)
class Mark:
    """One Liquid expression of the source. `tag` is empty for an output `{{ … }}`."""

    word: str
    liquid: str
    tag: str
    part: str
    line: int


@dataclass(slots=True)
class Marks:
    """The marks of one compilation; their words cannot be guessed by who writes the content."""

    _secret: str = field(default_factory=lambda: secrets.token_hex(6))
    _marks: list[Mark] = field(default_factory=list)

    @property
    def pattern(self) -> str:
        """A regular expression (no groups) that matches the word of any mark."""
        return rf"zq{self._secret}x[0-9]+y"

    def take(self, source: str, *, part: str) -> tuple[str, list[Mark]]:
        """Swap the Liquid of `source` for words; returns the text and its marks in order."""
        taken: list[Mark] = []
        pieces: list[str] = []
        end = 0
        for match in _LIQUID.finditer(source):
            line = source.count("\n", 0, match.start()) + 1
            taken.append(self._mark(match.group(), part, line))
            pieces += [source[end : match.start()], taken[-1].word]
            end = match.end()
        return "".join([*pieces, source[end:]]), taken

    def _mark(self, liquid: str, part: str, line: int) -> Mark:
        if len(liquid) == 2:
            raise BrokenSyntax(part=part, line=line, name=Sentence("“%s” is never closed") % liquid)
        if len(liquid) > LONGEST:
            raise TooLarge.of(len(liquid), LONGEST, part=part, line=line)
        if len(self._marks) >= MOST:
            raise TooLarge(part=part, line=line, name=Sentence("fields and conditions"))
        tag = ""
        if found := _TAG.match(liquid):
            tag = found.group(1) or "%"
        return self.add(liquid, tag=tag, part=part, line=line)

    def add(self, liquid: str, *, tag: str = "", part: str = "", line: int = 1) -> Mark:
        """A further mark, for Liquid that the layout brings or a place has changed."""
        word = f"zq{self._secret}x{len(self._marks)}y"
        mark = Mark(word=word, liquid=liquid, tag=tag, part=part, line=line)
        self._marks.append(mark)
        return mark

    def find(self, text: str) -> Iterator[Mark]:
        """The marks in `text`, in order."""
        for word in re.findall(self.pattern, text):
            yield self[word]

    def line(self, before: str) -> int:
        """The line of the source after `before`, whose marks may have had several lines."""
        return 1 + before.count("\n") + sum(mark.liquid.count("\n") for mark in self.find(before))

    def __getitem__(self, word: str) -> Mark:
        return self._marks[int(word.rpartition("x")[2][:-1])]

    def restore(self, text: str) -> str:
        """Liquid source in which only the marks are Liquid: other braces are printed as they are."""
        pieces = re.split(f"({self.pattern})", text)
        pieces[::2] = [_BRACE.sub('{{ "{" }}', constant) for constant in pieces[::2]]
        pieces[1::2] = [self[word].liquid for word in pieces[1::2]]
        return "".join(pieces)
