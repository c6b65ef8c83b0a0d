"""How long a text message is, and how many parts it is sent and paid as (3GPP TS 23.038, 23.040).

In the GSM alphabet a text has 160 characters, or 153 in each of several parts; with one character beyond
it the whole text is UCS-2: 70, or 67 in each part.
"""

from collections.abc import Iterable
from dataclasses import dataclass

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Written with an escape: each counts twice.
_EXTENDED = frozenset("\f^{}\\[~]|€")
# Signs of good typography that would more than double the price of a text.
_PLAIN = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
    | dict.fromkeys("\u2013\u2014", "-")
    | dict.fromkeys("\u00a0\u202f\u2009\t", " ")
    | {"\u2026": "..."}
)


@dataclass(frozen=True, slots=True)
class Length:
    """`units` are septets or UTF-16 code units; `beyond` are the characters outside the GSM alphabet."""

    units: int
    parts: int
    beyond: str

    @property
    def alphabet(self) -> str:
        return "UCS-2" if self.beyond else "GSM-7"


def measure(text: str) -> Length:
    beyond = "".join(sorted(set(text) - _BASIC - _EXTENDED))
    alone, in_part = (70, 67) if beyond else (160, 153)
    sizes = [_size(character, is_wide=bool(beyond)) for character in text]
    units = sum(sizes)
    return Length(units, 1 if units <= alone else _parts(sizes, in_part), beyond)


def plain(text: str) -> str:
    """The text with typographic signs in the spelling that the GSM alphabet has."""
    return text.translate(_PLAIN)


def _size(character: str, *, is_wide: bool) -> int:
    if is_wide:
        return 2 if ord(character) > 0xFFFF else 1
    return 2 if character in _EXTENDED else 1


def _parts(sizes: Iterable[int], room: int) -> int:
    """An escaped character or a surrogate pair is not torn apart between two parts."""
    parts, left = 1, room
    for size in sizes:
        if size > left:
            parts, left = parts + 1, room
        left -= size
    return parts
