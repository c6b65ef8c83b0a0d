"""Where holes stand in HTML: what a URL and a condition around markup ask of them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from campaigns.content.errors import CrossedBlocks, TellingImage, UnsafeMarkup
from campaigns.content.language import LINKS
from campaigns.content.marks import Mark, Marks

_URL_ATTRIBUTE = re.compile(r"(\b(href|src|background)\s*=\s*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
_ELEMENT = re.compile(r"<(/?)([a-zA-Z][\w:-]*)(?:\"[^\"]*\"|'[^']*'|[^>\"'])*?(/?)>")
_QUOTED = re.compile(r"(?<![\w:-])[\w:-]+\s*=\s*(\"[^\"<>]*\"|'[^'<>]*')")
_VOID = frozenset("area base br col hr img input link meta source wbr".split())
_OPENS = frozenset({"if", "unless", "case", "for"})
_BRANCHES = frozenset({"elsif", "else", "when"})
_ENDS = frozenset({"endif", "endunless", "endcase", "endfor"})


def guard_urls(html: str, marks: Marks) -> str:
    """Percent-encode values inside URLs (RFC 3986 §2.1).

    Raises:
        UnsafeMarkup: a URL begins with a personal value, which could choose its scheme.
        TellingImage: an image has not the same address for every reader.
    """

    def guard(match: re.Match[str]) -> str:
        before, attribute, quoted = match.groups()
        if attribute.lower() != "href" and (mark := next(marks.find(quoted), None)):
            raise TellingImage(part=mark.part, line=mark.line, name=mark.liquid)
        return before + quoted[0] + _guard_url(quoted[1:-1], marks) + quoted[-1]

    return _URL_ATTRIBUTE.sub(guard, html)


def _guard_url(url: str, marks: Marks) -> str:
    found = list(marks.find(url))
    if len(found) == 1 and url.strip() == found[0].word and _name(found[0]) in LINKS:
        return url
    for mark in found:
        if url.lstrip().startswith(mark.word):
            raise UnsafeMarkup(part=mark.part, line=mark.line, name=mark.liquid)
        if not mark.tag:
            url = url.replace(mark.word, _encoded(mark, marks).word, 1)
    return url


def _encoded(mark: Mark, marks: Marks) -> Mark:
    if re.search(r"\|\s*url_encode\s*-?\}\}\Z", mark.liquid):
        return mark
    liquid = re.sub(r"\s*(-?\}\})\Z", r" | url_encode \1", mark.liquid)
    return marks.add(liquid, part=mark.part, line=mark.line)


def _name(mark: Mark) -> str:
    return mark.liquid.strip("{-} \n\t")


@dataclass(slots=True)
class _Block:
    mark: Mark
    open: list[str] = field(default_factory=list)


def check_kept(html: str, taken: Iterable[Mark], marks: Marks) -> None:
    """Every tag is still there, once and in order: MJML drops text between its sections, and a
    condition that vanished would show everybody what was meant for some.

    Raises:
        CrossedBlocks: a tag stood where the markup does not keep it.
    """
    kept = [mark for mark in marks.find(html) if mark.tag]
    for mark, found in zip_longest((mark for mark in taken if mark.tag), kept):
        if mark != found:
            lost = mark or found
            raise CrossedBlocks(part=lost.part, line=lost.line, name=lost.liquid)
    for value in _QUOTED.findall(html):
        _check_within(value, marks)


def _check_within(value: str, marks: Marks) -> None:
    depth = 0
    for mark in marks.find(value):
        depth += (mark.tag in _OPENS) - (mark.tag in _ENDS)
        if depth < 0 or (depth == 0 and mark.tag in _BRANCHES):
            raise CrossedBlocks(part=mark.part, line=mark.line, name=mark.liquid)
    if depth:
        raise CrossedBlocks(part=mark.part, line=mark.line, name=mark.liquid)


def check_blocks(html: str, marks: Marks) -> None:
    """Every branch of a condition or loop opens and closes the same elements.

    Raises:
        CrossedBlocks: it would leave an element open for some readers.
    """
    blocks: list[_Block] = []
    for piece in re.split(f"({marks.pattern})", _outer_tags(html, marks)):
        if not re.fullmatch(marks.pattern, piece):
            if blocks:
                _balance(piece, blocks[-1])
            continue
        mark = marks[piece]
        if mark.tag in _OPENS:
            blocks.append(_Block(mark))
        elif blocks and mark.tag in _BRANCHES | _ENDS:
            if blocks[-1].open:
                raise _crossed(blocks[-1])
            if mark.tag in _ENDS:
                blocks.pop()


def _outer_tags(html: str, marks: Marks) -> str:
    """Without outputs and without what stands inside attributes, which would cut elements apart."""
    html = _QUOTED.sub(lambda quoted: re.sub(marks.pattern, "", quoted.group()), html)
    return re.sub(marks.pattern, lambda word: word.group() if marks[word.group()].tag else "", html)


def _balance(html: str, block: _Block) -> None:
    for closing, name, self_closing in _ELEMENT.findall(html):
        name = name.lower()
        if name in _VOID or self_closing:
            continue
        if not closing:
            block.open.append(name)
        elif not block.open or block.open.pop() != name:
            raise _crossed(block)


def _crossed(block: _Block) -> CrossedBlocks:
    return CrossedBlocks(part=block.mark.part, line=block.mark.line, name=block.mark.liquid)
