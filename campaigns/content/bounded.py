"""Markdown read within a bound of work, whatever is written.

markdown-it looks from each bracket to the end of its paragraph, and from each line of a list at all
that is around it: some texts cost the square of their length. What it looks at is counted, not timed, so that
a text is refused everywhere or nowhere, however busy the machine is.
"""

import re
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.helpers import parseLinkDestination, parseLinkLabel, parseLinkTitle
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

# Places looked at; a line is looked at by every kind of block that could begin there.
STEPS = 120_000
STEPS_OF_LINE = 4
_BLOCKS = ["paragraph", "reference", "blockquote", "list"]
_ADDRESS = re.compile(r"[^\x00-\x20\x7f]*")


class TooMuchWork(Exception):
    """Reading it would take more work than a message may; `words` stand where it ended."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class _Work:
    """What reading one text has cost so far."""

    def __init__(self) -> None:
        self.steps = 0

    def spend(self, steps: int, text: str, at: int) -> None:
        self.steps += steps
        if self.steps > STEPS:
            raise TooMuchWork(text[at : at + 80].partition("\n")[0])


class BoundedMarkdown(MarkdownIt):
    """CommonMark with tables and strikethrough and without HTML."""

    helpers: Any

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable(["table", "strikethrough"])
        self.helpers = SimpleNamespace(
            parseLinkLabel=_look_for_end,
            parseLinkDestination=parseLinkDestination,
            parseLinkTitle=parseLinkTitle,
        )
        self.inline.ruler.before("text", "work", _look_at_word)
        self.block.ruler.before("table", "work", _look_at_line, {"alt": _BLOCKS})

    def read(self, text: str) -> list[Token]:
        """The tokens of `text`; raises `TooMuchWork`."""
        return self.parse(text, {"work": _Work()})


def _look_for_end(state: StateInline, start: int, disable_nested: bool = False) -> int:
    """Where a bracket closes; the address that may follow is read next, and counted with it."""
    end = parseLinkLabel(state, start, disable_nested)
    seen = state.posMax
    if end >= 0 and (address := _ADDRESS.match(state.src, end)):
        seen = address.end()
    state.env["work"].spend(seen - start, state.src, start)
    return end


def characters(tokens: Iterable[Token]) -> int:
    """How long their words and addresses are: a reference repeats what is written once."""
    return sum(
        len(token.content) + sum(map(len, map(str, token.attrs.values())))
        if token.children is None
        else characters(token.children)
        for token in tokens
    )


def _look_at_word(state: StateInline, silent: bool) -> bool:
    state.env["work"].spend(1, state.src, state.pos)
    return False


def _look_at_line(state: StateBlock, line: int, end: int, silent: bool) -> bool:
    state.env["work"].spend(STEPS_OF_LINE, state.src, state.bMarks[line] + state.tShift[line])
    return False
