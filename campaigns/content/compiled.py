"""Compiles what a marketer wrote, once per campaign and language; renders it per person."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from liquid.exceptions import LiquidError

from campaigns.content import clean, layout, liquid_words, markup, measured, places, plaintext
from campaigns.content.errors import BrokenSyntax, ContentError, RenderingFailed, TooLarge
from campaigns.content.language import HIT, LINKS, check
from campaigns.content.marks import Marks
from campaigns.content.measured import Measuring
from campaigns.content.pieces import Pieces, Values
from campaigns.content.source import PostalIdentity, Source
from contacts.models import Sentence

SUBJECT_CHARACTERS = 250
PREHEADER_CHARACTERS = 500
# A longer message is cut by Gmail anyway.
BODY_CHARACTERS = 150_000
# What a body becomes with its styles: 200 images, each in a section of MJML of its own, are half of it.
HTML_CHARACTERS = 600_000
RENDER_SECONDS = 0.25


class Rendered(NamedTuple):
    """One person's message. Lines end in `\\n`; the subject is one line."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """Content ready to render. `fields` are the registered fields it uses, `destinations` the addresses of
    the links in it that can be measured."""

    subject: Pieces
    html: Pieces
    text: Pieces
    fields: frozenset[str]
    language: str
    destinations: tuple[str, ...] = ()

    def render(self, values: Values) -> Rendered:
        """Render for one person. `values` holds the used fields and the three links by name.

        Raises:
            RenderingFailed: this person's values break a limit or a filter.
        """
        return Rendered(
            subject=self.render_subject(values),
            html=self.html.join(self.html.fill(values)),
            text=self.text.join(self.text.fill(values)),
        )

    def render_subject(self, values: Values) -> str:
        """The subject alone: one clean line, cut where values make it too long."""
        return clean.header(self.subject.join(self.subject.fill(values))[:SUBJECT_CHARACTERS])


def compile_source(
    source: Source,
    *,
    identity: PostalIdentity,
    fields: Iterable[str],
    measuring: Measuring | None = None,
) -> Compiled:
    """Compile `source`; `fields` are the keys of the registered fields it may use.

    With `measuring` it is the form for people who permit that; its values hold a `hit_token`, too.

    Raises:
        ContentError: naming the part, the line and what is wrong there.
    """
    allowed = frozenset(fields) - LINKS - {HIT}
    marks = Marks()
    source = replace(source, body=clean.body(source.body), preheader=clean.header(source.preheader))
    used = _check_parts(source, allowed)
    body, taken = marks.take(source.body, part="body")
    preheader = marks.take(source.preheader, part="preheader")[0]
    title = marks.take(clean.header(source.subject), part="subject")[0]
    html = markup.to_html(source, body, marks)
    if len(html) > HTML_CHARACTERS:
        raise TooLarge.of(len(html), HTML_CHARACTERS)
    html = places.guard_urls(html, marks)
    places.check_kept(html, taken, marks)
    places.check_blocks(html, marks)
    text = plaintext.from_html(html, marks, is_laid_out=source.markup == "mjml")
    destinations = measured.destinations(html, marks)
    if measuring:
        html = measured.lead_through(html, measuring, marks)
    document, footer = layout.lay_out(source, html, preheader, title, identity, marks)
    if measuring:
        document = measured.add_pixel(document, measuring, marks)
    compiled = Compiled(
        subject=_pieces(clean.header(source.subject), part="subject"),
        html=_pieces(marks.restore(document), part="body", escaped=True),
        text=_pieces(marks.restore(f"{text}\n{footer}"), part="body"),
        fields=frozenset(used),
        language=source.language,
        destinations=destinations,
    )
    _try(compiled)
    return compiled


def _check_parts(source: Source, fields: frozenset[str]) -> set[str]:
    used: set[str] = set()
    parts = (
        ("subject", clean.header(source.subject), SUBJECT_CHARACTERS),
        ("preheader", source.preheader, PREHEADER_CHARACTERS),
        ("body", source.body, BODY_CHARACTERS),
    )
    for part, text, most in parts:
        if len(text) > most:
            raise TooLarge.of(len(text), most, part=part)
        _, taken = Marks().take(text, part=part)
        used |= check(text, marks=taken, part=part, fields=fields)
    return used


def _pieces(source: str, *, part: str, escaped: bool = False) -> Pieces:
    try:
        return Pieces.of(source, part=part, escaped=escaped)
    except LiquidError as error:
        raise BrokenSyntax(part=part, name=liquid_words.of(error)) from error


def _try(compiled: Compiled) -> None:
    """Render for nobody: what fails or takes long with empty values is refused before it is sent.

    By the processor's time of this thread: a busy machine makes no message longer.
    """
    began = time.thread_time()
    try:
        compiled.render(dict.fromkeys(LINKS, "https://example.org/"))
    except RenderingFailed as error:
        raise ContentError(part=error.part, name=error.name) from error
    if time.thread_time() - began > RENDER_SECONDS:
        raise TooLarge(name=Sentence("it takes too long to fill in"))
