"""What marketers write and what the layout needs besides, as plain values."""

from dataclasses import dataclass
from typing import Literal

Markup = Literal["markdown", "mjml", "html"]
Layout = Literal["newsletter", "announcement", "digest", "letter"]
Direction = Literal["ltr", "rtl"]
# Where a link of a message may lead.
SCHEMES = {"http", "https", "mailto", "tel"}
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur", "yi"})


@dataclass(frozen=True, slots=True)
class Source:
    """One language of a campaign. `language` is a BCP 47 tag; `body` is in the given markup.

    MJML brings its own layout: `layout` only shapes Markdown and HTML.
    """

    subject: str
    body: str
    preheader: str = ""
    markup: Markup = "markdown"
    layout: Layout = "newsletter"
    language: str = "en"

    @property
    def direction(self) -> Direction:
        """Which way its language is read."""
        return "rtl" if self.language.partition("-")[0].lower() in _RIGHT_TO_LEFT else "ltr"


@dataclass(frozen=True, slots=True)
class PostalIdentity:
    """Who sends, as the footer must show it; `topic` is the public name of what was asked for."""

    legal_name: str
    postal_address: str
    contact: str = ""
    privacy_url: str = ""
    topic: str = ""
