"""Takes out of text what does not belong where it goes: headers and bodies."""

import re

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNFIT = re.compile(f"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff{_BIDI}]+")


def body(text: str) -> str:
    """Lines end in `\\n`; no control characters, no lone surrogates."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub("", text)


def header(text: str) -> str:
    """One line without control and bidirectional characters, and nothing a reader would decode.

    RFC 5322 §2.2 (no line breaks), RFC 2047 §2 (`=?` opens an encoded word).
    """
    if text.isascii() and text.isprintable() and "  " not in text and "=?" not in text:
        return text.strip()
    return _UNFIT.sub(" ", text).replace("=?", "= ?").strip()
