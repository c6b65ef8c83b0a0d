"""What a reader of a message sees of its words: inline styles that hide, as CSS hands them down."""

import re
from dataclasses import dataclass, replace

from PIL import ImageColor

_LENGTH = re.compile(r"([\d.]+)([a-z%]*)")
Color = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """How words stand at one place; `is_gone` is for good, all else may change further inside."""

    is_gone: bool = False
    is_invisible: bool = False
    is_tiny: bool = False
    color: Color | None = (0, 0, 0)
    background: Color | None = (255, 255, 255)

    @property
    def is_seen(self) -> bool:
        is_lost = self.color is not None and self.color == self.background
        return not (self.is_gone or self.is_invisible or self.is_tiny or is_lost)

    def under(self, style: str) -> "Look":
        """The look inside an element with this style; what cannot be read of a color hides nothing."""
        look = self
        for name, value in declarations(style):
            if name == "display" and value == "none":
                look = replace(look, is_gone=True)
            elif name == "opacity":
                look = replace(look, is_gone=look.is_gone or _number(value) == 0)
            elif name == "visibility":
                look = replace(look, is_invisible=value in {"hidden", "collapse"})
            elif name == "font-size":
                look = replace(look, is_tiny=_is_tiny(value))
            elif name == "color":
                look = replace(look, color=_color(value))
            elif name in {"background", "background-color"} and value not in _THROUGH:
                look = replace(look, background=_color(value))
        return look


# What stands behind shines through.
_THROUGH = frozenset({"transparent", "none", "inherit"})


def declarations(style: str) -> list[tuple[str, str]]:
    """Names and values in lower case, without `!important`."""
    pairs = (each.partition(":") for each in style.lower().split(";"))
    return [
        (name.strip(), re.sub(r"\s*!\s*important", "", value).strip())
        for name, colon, value in pairs
        if colon
    ]


def _is_tiny(value: str) -> bool:
    """Nothing, or one pixel at most."""
    match = _LENGTH.fullmatch(value)
    size = _number(match[1]) if match else None
    return (
        match is not None and size is not None and (size == 0 or (size <= 1 and match[2] == "px"))
    )


def _number(value: str) -> float | None:
    try:
        return float(value.removesuffix("%"))
    except ValueError:
        return None


def _color(value: str) -> Color | None:
    """Red, green and blue; of a shorthand, the part that is a color; none where it is mixed or no color."""
    for part in [value, *value.split()]:
        try:
            color = ImageColor.getrgb(part)
        except ValueError:
            continue
        return color[:3] if color[3:] in {(), (255,)} else None
    return None
