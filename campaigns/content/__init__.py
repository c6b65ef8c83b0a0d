"""What a campaign says: compiled once into constant pieces and holes, rendered per person."""

from campaigns.content.compiled import Compiled, Rendered, compile_source
from campaigns.content.errors import (
    BrokenSyntax,
    ContentError,
    CrossedBlocks,
    RenderingFailed,
    TellingImage,
    TooLarge,
    UnknownFilter,
    UnknownName,
    UnknownTag,
    UnsafeMarkup,
)
from campaigns.content.measured import Measuring
from campaigns.content.pieces import Pieces, Value, Values
from campaigns.content.source import Layout, Markup, PostalIdentity, Source
from campaigns.content.text_message import CompiledText, compile_text

__all__ = [
    "BrokenSyntax",
    "Compiled",
    "CompiledText",
    "ContentError",
    "CrossedBlocks",
    "Layout",
    "Markup",
    "Measuring",
    "Pieces",
    "PostalIdentity",
    "Rendered",
    "RenderingFailed",
    "Source",
    "TellingImage",
    "TooLarge",
    "UnknownFilter",
    "UnknownName",
    "UnknownTag",
    "UnsafeMarkup",
    "Value",
    "Values",
    "compile_source",
    "compile_text",
]
