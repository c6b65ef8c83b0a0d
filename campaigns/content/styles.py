"""Inline styles of Markdown elements, per layout: many mail clients drop style sheets."""

import re
from collections.abc import Mapping

from campaigns.content.source import Direction, Layout

_SANS = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_SERIF = "Georgia,'Times New Roman',Times,serif"
_INK = "#1f2430"
# A long address or word must not make the message wider than a phone; `anywhere` also lets tables shrink,
# and `break-word` says the same to older programs.
WRAPPED = "overflow-wrap:anywhere;word-break:break-word"
WHOLE = "overflow-wrap:normal;word-break:normal"
INNER_LIST = "margin:6px 0 0 0"

_COMMON: Mapping[str, str] = {
    "p": "margin:0 0 16px 0",
    "ul": "margin:0 0 16px 0;padding:0 0 0 24px",
    "ol": "margin:0 0 16px 0;padding:0 0 0 24px",
    "li": "margin:0 0 6px 0",
    "a": "color:#1a56b0;text-decoration:underline",
    "img": "display:block;max-width:100%;height:auto;border:0",
    "hr": "border:0;border-top:1px solid #d9dde5;margin:24px 0",
    "blockquote": "margin:0 0 16px 0;padding:0 0 0 16px;border-left:3px solid #c4cad6",
    "table": "border-collapse:collapse;margin:0 0 16px 0;width:100%",
    "th": "min-width:3em;text-align:left;padding:6px 8px;border-bottom:2px solid #c4cad6",
    "td": "min-width:3em;vertical-align:top;padding:6px 8px;border-bottom:1px solid #e4e7ed",
    "code": "font-family:Consolas,Menlo,monospace;font-size:14px",
    "pre": "font-family:Consolas,Menlo,monospace;font-size:14px;white-space:pre-wrap;margin:0 0 16px 0",
    "h1": "margin:0 0 16px 0;font-size:26px;line-height:32px;font-weight:700",
    "h2": "margin:24px 0 12px 0;font-size:21px;line-height:28px;font-weight:700",
    "h3": "margin:20px 0 8px 0;font-size:17px;line-height:24px;font-weight:700",
    "h4": "margin:16px 0 8px 0;font-size:16px;line-height:24px;font-weight:700",
}
_OF_LAYOUT: Mapping[Layout, Mapping[str, str]] = {
    "newsletter": {},
    "announcement": {
        "h1": "margin:0 0 20px 0;font-size:32px;line-height:38px;font-weight:800;text-align:center"
    },
    "digest": {
        "h2": "margin:28px 0 10px 0;padding:20px 0 0 0;border-top:1px solid #d9dde5;"
        "font-size:19px;line-height:26px;font-weight:700",
    },
    "letter": {"h1": "margin:0 0 20px 0;font-size:24px;line-height:32px;font-weight:400"},
}
BUTTON = (
    "display:inline-block;padding:12px 24px;border-radius:6px;background:#1a56b0;color:#ffffff;"
    "font-weight:700;text-decoration:none;mso-padding-alt:0"
)
BUTTON_CELL = (
    '<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 16px 0">'
    '<tr><td bgcolor="#1a56b0" style="border-radius:6px;background:#1a56b0;mso-padding-alt:12px 24px">'
)


_FOUR_SIDES = re.compile(r"(margin|padding):([^\s;]+) ([^\s;]+) ([^\s;]+) ([^\s;]+)")


def of(layout: Layout, direction: Direction) -> dict[str, str]:
    """The style of each element."""
    chosen = {**_COMMON, **_OF_LAYOUT[layout]}
    return {tag: _turned(style, direction) for tag, style in chosen.items()}


def text(layout: Layout, direction: Direction) -> str:
    """The style of running text."""
    family, size, height = (_SERIF, 17, 27) if layout == "letter" else (_SANS, 16, 25)
    style = f"font-family:{family};font-size:{size}px;line-height:{height}px;color:{_INK};text-align:left;"
    return f"{_turned(style, direction)}{WRAPPED}"


def over(style: str, own: str) -> str:
    """The style with other values for some of its properties."""
    names = {each.partition(":")[0] for each in own.split(";")}
    kept = [each for each in style.split(";") if each.partition(":")[0] not in names]
    return ";".join([*kept, own])


def _turned(style: str, direction: Direction) -> str:
    """With left and right exchanged where one reads from the right: mail programs know no `start`."""
    if direction == "ltr":
        return style
    style = _FOUR_SIDES.sub(r"\1:\2 \5 \4 \3", style)
    return style.replace("left", "right")
