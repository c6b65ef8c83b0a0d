"""Tables of Markdown: columns stand as they are aligned, and their words stay whole where there is room."""

import re
from collections.abc import Iterator

from markdown_it.token import Token

from campaigns.content import styles
from campaigns.content.marks import Marks

# On a phone of 360 pixels: letters beside each other in running text, what a column's padding takes of
# them, and what a column keeps whose words may break.
ROOM = 36
PADDING = 2
LEAST = 6
# What a field prints, as far as one can tell.
_FIELD = "x" * 8


def fit(tokens: list[Token], style: dict[str, str], marks: Marks) -> None:
    """Give each cell its style: words break in the longest columns alone, and only where they must."""
    for cells in _tables(tokens):
        longest: dict[int, int] = {}
        for column, _cell, inline in cells:
            words = re.sub(marks.pattern, _FIELD, inline.content).split()
            longest[column] = max([longest.get(column, 0), *map(len, words)])
        whole = _whole(longest)
        for column, cell, _inline in cells:
            own = [str(cell.attrGet("style") or ""), styles.WHOLE if column in whole else ""]
            cell.attrSet("style", styles.over(style[cell.tag], ";".join(filter(None, own))))


def _tables(tokens: list[Token]) -> Iterator[list[tuple[int, Token, Token]]]:
    """The cells of each table: their column, their opening token, and what they hold."""
    cells: list[tuple[int, Token, Token]] = []
    column = 0
    for place, token in enumerate(tokens):
        if token.type == "tr_open":
            column = 0
        elif token.type in {"th_open", "td_open"}:
            cells.append((column, token, tokens[place + 1]))
            column += 1
        elif token.type == "table_close":
            yield cells
            cells = []


def _whole(longest: dict[int, int]) -> set[int]:
    """The columns whose words stay whole, shortest first, while all of them fit beside each other."""
    columns = sorted(longest, key=longest.__getitem__)
    room = ROOM - PADDING * len(columns)
    whole: set[int] = set()
    for place, column in enumerate(columns):
        room -= longest[column]
        if room < LEAST * (len(columns) - place - 1):
            break
        whole.add(column)
    return whole
