"""The text part: what the HTML says, for people who read mail without it."""

import re
import textwrap
from html.parser import HTMLParser

from campaigns.content.marks import Marks

WIDTH = 74
_STANDS_FOR_MARK = 0x100000  # private use: prints nothing of its own
_BLOCKS = frozenset("address center dd div dl dt figure figcaption p section table tr".split())
_HEADINGS = {"h1": "=", "h2": "-", "h3": "", "h4": "", "h5": "", "h6": ""}
_SILENT = frozenset({"head", "style", "title", "script"})


def from_html(html: str, marks: Marks, *, is_laid_out: bool = False) -> str:
    """Wrapped text with links as `words (url)`. Table cells are columns, or with `is_laid_out`
    (tables that only place things) paragraphs."""
    writer = _Writer(marks, is_laid_out=is_laid_out)
    writer.feed(html)
    writer.close()
    writer.end_block()
    return re.sub(r"\n{3,}", "\n\n", "".join(writer.written)).strip("\n") + "\n"


class _Writer(HTMLParser):
    def __init__(self, marks: Marks, *, is_laid_out: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._tags_only = re.compile(rf"(\s*{marks.pattern})+\s*")
        self._marks = marks
        self._cells = not is_laid_out
        self._line: list[str] = []
        self._links: list[tuple[str, int]] = []
        self._lists: list[int | None] = []
        self._quotes = 0
        self._bullet = ""
        self._silent = 0
        self._verbatim = False
        self._shortened: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _SILENT:
            self._silent += 1
        elif tag == "br":
            self._line.append("\n")
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self._line)))
        elif tag == "img":
            self._line.append(given.get("alt") or "")
        elif tag in {"td", "th"} and self._cells:
            row = "".join(self._line).strip()
            self._line = [f"{row} | "] if row else []
        else:
            self._start_block(tag, given)

    def _start_block(self, tag: str, given: dict[str, str | None]) -> None:
        if tag in {"ul", "ol"}:
            self.end_block()
            start = given.get("start") or "1"
            self._lists.append(None if tag == "ul" else int(start) if start.isdigit() else 1)
        elif tag == "li":
            self.end_block()
            self._bullet = self._next_bullet()
        elif tag == "blockquote":
            self.end_block()
            self._quotes += 1
        elif tag == "hr":
            self.end_block()
            self.written.append("-" * 20 + "\n\n")
        elif tag == "pre":
            self.end_block()
            self._verbatim = True
        elif tag in _BLOCKS or tag in _HEADINGS or tag in {"td", "th"}:
            self.end_block()

    def _next_bullet(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        number = self._lists[-1]
        self._lists[-1] = number + 1
        return f"{number}. "

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "a" and self._links:
            self._end_link()
        elif tag in _HEADINGS:
            self.end_block(underline=_HEADINGS[tag])
        elif tag == "pre":
            self.end_block()
            self._verbatim = False
        elif tag in {"ul", "ol"}:
            self.end_block()
            self._lists, self._bullet = self._lists[:-1], ""
            self.written.append("" if self._lists else "\n")
        elif tag == "blockquote":
            self.end_block()
            self._quotes = max(0, self._quotes - 1)
        elif tag in _BLOCKS or tag == "li" or (tag in {"td", "th"} and not self._cells):
            self.end_block()

    def _end_link(self) -> None:
        url, start = self._links.pop()
        words = "".join(self._line[start:]).strip()
        if url and url.removeprefix("mailto:") != words:
            self._line.append(f" ({url})" if words else url)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._line.append(data if self._verbatim else re.sub(r"\s+", " ", data))

    def end_block(self, *, underline: str = "") -> None:
        """Write the paragraph gathered so far, if there is one."""
        text = "".join(self._line)
        self._line, self._links, self._shortened = [], [], {}
        if not text.strip():
            return
        if self._tags_only.fullmatch(text) and all(mark.tag for mark in self._marks.find(text)):
            self.written.append(text.strip())
            return
        self.written.append(self._paragraph(text, underline))
        self._bullet = " " * len(self._bullet)

    def _paragraph(self, text: str, underline: str) -> str:
        first = "> " * self._quotes + "  " * max(0, len(self._lists) - 1) + self._bullet
        rest = "> " * self._quotes + " " * (len(first) - 2 * self._quotes)
        lines = text.strip("\n").split("\n") if self._verbatim else self._wrap(text, first, rest)
        if self._verbatim:
            lines = [rest + line for line in lines]
        if underline:
            lines.append(underline * min(max(len(line) for line in lines), 40))
        return "\n".join(lines) + ("\n" if self._lists else "\n\n")

    def _wrap(self, text: str, first: str, rest: str) -> list[str]:
        lines: list[str] = []
        for line in self._short(text.strip()).split("\n"):
            lines += textwrap.wrap(
                line,
                WIDTH,
                initial_indent=rest if lines else first,
                subsequent_indent=rest,
                break_long_words=False,
                break_on_hyphens=False,
            )
        return [self._long(line) for line in lines]

    def _short(self, text: str) -> str:
        """Marks as wide as what they will print, as far as one can tell, so that lines wrap well."""

        def shorten(match: re.Match[str]) -> str:
            letter = chr(_STANDS_FOR_MARK + len(self._shortened))
            width = 1 if self._marks[match.group()].tag else 8
            self._shortened[letter * width] = match.group()
            return letter * width

        return re.sub(self._marks.pattern, shorten, text)

    def _long(self, line: str) -> str:
        for short, word in self._shortened.items():
            line = line.replace(short, word)
        return line
