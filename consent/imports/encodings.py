"""Tells in which encoding a text that is not Unicode was written, by how well it reads.

Read in a wrong one, names have letters that no language has together, signs between letters, capitals after
small letters, or two scripts in one word. In doubt it is Windows-1252, which most such files are.
"""

# ruff: noqa: RUF001 - letters and signs of many scripts stand here as they are

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Enough to tell them apart, and read in half a second.
ENOUGH_BYTES = 10_000
LONGEST_PIECE = 4_000
# So much better must another encoding read than the one before it in the list.
MARGIN = 0.02
# Some letters more that would read well in Windows-1252: few letters prove nothing.
IN_DOUBT = 1.0
# As good as each letter is in a word: seldom, beside another beyond ASCII, or only good in several languages.
SELDOM = 0.8
BESIDE_ANOTHER = 0.8
OF_SEVERAL = 0.9
FOREIGN = -0.5
SPOILED = -2.0
UNICODE = {"utf-8": "Unicode (UTF-8)", "utf-16": "Unicode (UTF-16)"}
_BEYOND = re.compile(rb"[\x80-\xff]")
# Typography stands beside words of any language, the other signs beside none; neither stands within a word.
_MARKS = frozenset("«»“”„…–—‘‹›•·°©®™€§¡¿\xa0\xad")
_SIGNS = frozenset("ªº¹²³´`£¥¤¦¨¸¼½¾±×")
_PRINTED = bytes(range(32, 127))
_BESIDE = re.compile(r"[^\x00-\x7f’]")
_SPOILED = "\N{REPLACEMENT CHARACTER}"
_LAST = frozenset("ךםןףץς")


class Language(NamedTuple):
    """The small letters beyond ASCII that a language has, and those it has seldom."""

    letters: str
    seldom: str = ""


_WESTERN = (
    Language("éèêëàâçîïôùû", "äöüœæÿ"),
    Language("äöüß", "é"),
    Language("áéíóúñ", "üç"),
    Language("àèéìòù", "íó"),
    Language("áâãàçéêíóôõú", "ü"),
    Language("éëèïöüçáó"),
    Language("àèéíïòóúüç"),
    Language("åäö", "éü"),
    Language("æøå", "éöäü"),
    Language("áéíóúæö", "ýþð"),
    Language("", "šž"),
)
_CENTRAL = (
    Language("ąćęłńóśźż"),
    Language("áčďéěíňřšťúůýž", "óöü"),
    Language("áäčďéíľňôšťúýž", "óĺŕ"),
    Language("áéíóöőúüű"),
    Language("ăâîşţ"),
    Language("čćđšž"),
)
_TURKISH = (Language("çğıöşüİ", "âî"),)
_BALTIC = (Language("ąčęėįšųūž"), Language("āčēģīķļņšūž"), Language("äöõüšž"))
_CYRILLIC = (
    Language("оеаинтсрвлкмдпугяьй", "зыбчхжшюцщэфъё"),
    Language("оаинвтреслкідмпугяьйз", "бчхжшюцщфєїґ"),
    Language("аиоенрјсткувдмлпзбгћчшњ", "цжђљфхџ"),
)
_GREEK = (Language("αοιετσνηυρπκμλςωγδθχφβξζψάέήίόύώ", "ϊϋΐΰ"),)
_HEBREW = (Language("אבגדהוזחטיךכלםמןנסעףפץצקרשת"),)
_ARABIC = (Language("ابتثجحخدذرزسشصضطظعغفقكلمنهويةىأإآؤئء", "پچژگ"),)
_THAI = (Language("", "".join(map(chr, (*range(0xE01, 0xE3B), *range(0xE40, 0xE4F))))),)
_KANA = "".join(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FD))))
_HALF_WIDTH_KANA = "".join(map(chr, range(0xFF66, 0xFFA0)))


def _table(codec: str, first: int, last: int) -> str:
    """The letters of two bytes, the first of which lies between these: those of everyday use."""
    pairs = (
        bytes([lead, trail])
        for lead in range(first, last + 1)
        for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF))
    )
    return "".join(pair.decode(codec, "ignore") for pair in pairs)


@dataclass(frozen=True)
class Encoding:
    """A Python codec, its name and that of its letters for people, and the languages written in it."""

    codec: str
    called: str
    script: str | Promise
    languages: Sequence[Language]
    is_latin: bool = False

    @property
    def name(self) -> str:
        return f"{self.script} ({self.called})"

    @cached_property
    def weights(self) -> list[dict[str, float]]:
        """For each language, then for all together: how well a letter fits."""
        each = [
            {letter: SELDOM for word in (one.seldom, one.seldom.upper()) for letter in word}
            | {letter: 1.0 for word in (one.letters, one.letters.upper()) for letter in word}
            for one in self.languages
        ]
        together = {letter: OF_SEVERAL for one in each for letter in one}
        return [*each, together] if len(each) > 1 else each

    def fitness(self, sample: bytes) -> float:
        """From below 0 to 1: how well the letters beyond ASCII fit, in the language they fit best."""
        text = codecs.getincrementaldecoder(self.codec)("replace").decode(sample)
        read = Counter(_letters(text, is_latin=self.is_latin))
        if not read:
            return 1.0
        spoiled = sum(times for (letter, _), times in read.items() if letter == _SPOILED)
        sums = (
            sum(
                times * (fit * one[letter] if letter in one else FOREIGN)
                for (letter, fit), times in read.items()
            )
            for one in self.weights
        )
        return (max(sums) + SPOILED * spoiled) / read.total()


def _letters(text: str, *, is_latin: bool) -> Iterator[tuple[str, float]]:
    """Each letter beyond ASCII, and how well it stands where it is."""
    for found in _BESIDE.finditer(f" {text} "):
        letter, before, after = found[0], found.string[found.start() - 1], found.string[found.end()]
        beside = [each for each in (before, after) if each.isalpha()]
        if (letter in _MARKS and len(beside) < 2) or (letter in _SIGNS and not beside):
            continue
        if (before.islower() and letter.isupper()) or (letter in _LAST and after.isalpha()):
            yield letter, 0.0
        elif is_latin:
            yield letter, 1.0 if all(map(str.isascii, beside)) else BESIDE_ANOTHER
        else:
            yield letter, 0.0 if any(map(str.isascii, beside)) else 1.0


@lru_cache
def known() -> tuple[Encoding, ...]:
    """Those that can be told apart; of two that read equally well the first."""
    kanji, hanzi = _table("cp932", 0x88, 0x98), _table("gb2312", 0xB0, 0xD7)
    return (
        *_latin(_("Western"), _WESTERN, {"cp1252": "Windows-1252"}),
        *_latin(
            _("Central European"),
            _CENTRAL,
            {"cp1250": "Windows-1250", "iso8859-2": "ISO-8859-2", "cp852": "DOS 852"},
        ),
        *_latin(_("Turkish"), _TURKISH, {"cp1254": "Windows-1254"}),
        *_latin(_("Baltic"), _BALTIC, {"cp1257": "Windows-1257"}),
        *_latin(
            _("Western"),
            _WESTERN,
            {"iso8859-15": "ISO-8859-15", "mac-roman": "Mac Roman", "cp850": "DOS 850"},
        ),
        Encoding("cp1255", "Windows-1255", _("Hebrew"), _HEBREW),
        Encoding("cp1251", "Windows-1251", _("Cyrillic"), _CYRILLIC),
        Encoding("koi8-r", "KOI8-R", _("Cyrillic"), _CYRILLIC[:1]),
        Encoding("koi8-u", "KOI8-U", _("Cyrillic"), _CYRILLIC[:2]),
        Encoding("cp866", "DOS 866", _("Cyrillic"), _CYRILLIC),
        Encoding("iso8859-5", "ISO-8859-5", _("Cyrillic"), _CYRILLIC),
        Encoding("cp1253", "Windows-1253", _("Greek"), _GREEK),
        Encoding("iso8859-7", "ISO-8859-7", _("Greek"), _GREEK),
        Encoding("cp1256", "Windows-1256", _("Arabic"), _ARABIC),
        Encoding("cp932", "Shift-JIS", _("Japanese"), [Language(_KANA + kanji, _HALF_WIDTH_KANA)]),
        Encoding("euc_kr", "EUC-KR", _("Korean"), [Language(_table("euc_kr", 0xB0, 0xC8))]),
        Encoding("gb18030", "GB18030", _("Chinese, simplified"), [Language(hanzi)]),
        Encoding("euc_jp", "EUC-JP", _("Japanese"), [Language(_KANA + kanji)]),
        Encoding("big5", "Big5", _("Chinese, traditional"), [Language(_table("big5", 0xA4, 0xC6))]),
        Encoding("cp874", "Windows-874", _("Thai"), _THAI),
    )


def _latin(
    script: Promise, languages: Sequence[Language], codecs_called: dict[str, str]
) -> Iterator[Encoding]:
    for codec, called in codecs_called.items():
        yield Encoding(codec, called, script, languages, is_latin=True)


def names() -> dict[str, str]:
    """Python codec → what people call it."""
    return UNICODE | {each.codec: each.name for each in known()}


def name_of(codec: str) -> str:
    """What people call it, with or without its byte order mark."""
    return names().get(re.sub("-(sig|le|be)$", "", codec), codec.upper())


def codec_of(named: str) -> str:
    """The codec that goes by this name, of those that write tables; raises `LookupError`."""
    codec = codecs.lookup(named).name
    try:
        if codec.startswith("utf-") or _PRINTED.decode(codec, "replace") == _PRINTED.decode():
            return codec
    except UnicodeError:
        pass
    raise LookupError(named)


def guess(sample: bytes) -> str:
    """The codec in which a sample of lines reads best."""
    usual, *others = known()
    letters = len(_BEYOND.findall(sample))
    best, best_fitness = usual, usual.fitness(sample) + IN_DOUBT / max(letters, 1)
    for encoding in others:
        fitness = encoding.fitness(sample)
        if fitness > best_fitness + MARGIN:
            best, best_fitness = encoding, fitness
    return best.codec


def sample_of(lines: Iterable[bytes]) -> bytes:
    """Lines with letters beyond ASCII, each from its beginning, so that none begins within a letter."""
    pieces, size = [], 0
    for line in lines:
        if _BEYOND.search(line):
            pieces.append(line[:LONGEST_PIECE])
            size += len(pieces[-1])
            if size > ENOUGH_BYTES:
                break
    return b"\n".join(pieces)
