"""What a campaign says by text message: plain words with Liquid holes, who sends it, and how to stop it."""

from dataclasses import dataclass

from campaigns.content import clean, errors
from campaigns.content.errors import RenderingFailed, TooLarge, UnknownName
from campaigns.content.language import LINKS, check
from campaigns.content.marks import Marks
from campaigns.content.pieces import Pieces, Values
from consent.sms import gsm

# What gateways take at most, all parts together.
LONGEST = 1600
STOP_URL = "unsubscribe_url"


@dataclass(frozen=True, slots=True)
class CompiledText:
    """A text ready to render. `fields` are the registered fields it uses."""

    pieces: Pieces
    fields: frozenset[str]
    language: str

    def render(self, values: Values) -> str:
        """The text for one person, typographic signs spelled plainly; `values` holds the stop link, too.

        Raises:
            RenderingFailed: this person's values break a limit or a filter.
        """
        text = gsm.plain(self.pieces.join(self.pieces.fill(values))).strip()
        if len(text) > LONGEST:
            raise RenderingFailed(name=errors.too_long(len(text), LONGEST))
        return text


def compile_text(
    body: str, *, sender: str, stop: str, fields: frozenset[str], language: str
) -> CompiledText:
    """Compile a text that opens with its `sender` and ends with `stop`, the words before the stop link.

    A body that has the link in its own words gets no second one. Raises `ContentError`.
    """
    body = clean.body(body).strip()
    if len(body) > LONGEST:
        raise TooLarge.of(len(body), LONGEST)
    _, taken = Marks().take(body, part="body")
    used = check(body, marks=taken, part="body", fields=fields)
    for mark in taken:
        for link in LINKS - {STOP_URL}:
            if link in mark.liquid:
                raise UnknownName(part="body", line=mark.line, name=link)
    has_link = any(STOP_URL in mark.liquid for mark in taken)
    marks = Marks()
    written, _ = marks.take(body, part="body")
    closing = marks.add(f"{{{{ {STOP_URL} }}}}").word
    whole = f"{sender}: {written}" if has_link else f"{sender}: {written}\n{stop} {closing}"
    pieces = Pieces.of(marks.restore(whole), part="body", escaped=False)
    compiled = CompiledText(pieces, frozenset(used), language)
    compiled.render({STOP_URL: "https://example.org/"})
    return compiled
