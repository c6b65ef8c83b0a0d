"""Puts the body into a ready layout with the preheader and the footer that every message carries."""

import re

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.html import escape
from django.utils.safestring import mark_safe

from campaigns.content import styles
from campaigns.content.marks import Marks
from campaigns.content.source import PostalIdentity, Source

BREAK_AFTER = 150
_PRE = re.compile(r"(<(pre|style|textarea)\b.*?</\2\s*>)", re.DOTALL | re.IGNORECASE)
_SPACE_IN_TEXT = re.compile(r"(<!--.*?-->|<[^>]*>)", re.DOTALL)


def lay_out(
    source: Source, body: str, preheader: str, subject: str, identity: PostalIdentity, marks: Marks
) -> tuple[str, str]:
    """The whole HTML document and the footer of the text part, both still with marks."""
    context = {
        "body": mark_safe(body),
        "preheader": preheader,
        "title": subject,
        "identity": identity,
        "address_lines": identity.postal_address.split("\n"),
        "language": source.language,
        "direction": source.direction,
        "text_style": styles.text(source.layout, source.direction),
        "wrapped": styles.WRAPPED,
        **{name: marks.add(f"{{{{ {name} }}}}").word for name in _LINKS},
    }
    with translation.override(source.language):
        text = render_to_string("campaigns/layouts/footer.txt", context)
        if source.markup == "mjml":
            footer = render_to_string("campaigns/layouts/_footer.html", context)
            head = render_to_string("campaigns/layouts/_head_mjml.html", context)
            hidden = render_to_string("campaigns/layouts/_preheader.html", context)
            opening = f'<html lang="{escape(source.language)}" dir="{context["direction"]}"'
            return shorten_lines(_complete(body, head, hidden, footer, opening, subject)), text
        html = render_to_string(f"campaigns/layouts/{source.layout}.html", context)
    return shorten_lines(html), text


_LINKS = ("unsubscribe_url", "manage_url", "view_url")


def _complete(
    document: str, head: str, hidden: str, footer: str, opening: str, subject: str
) -> str:
    document = re.sub(r"<html lang=\"\w*\" dir=\"\w*\"", lambda _: opening, document, count=1)
    document = document.replace("<title></title>", f"<title>{escape(subject)}</title>", 1)
    document = document.replace(' lang="und" dir="auto"', f" {opening.partition(' ')[2]}", 1)
    document = re.sub(r"</head>", lambda _: f"{head}</head>", document, count=1)
    document = re.sub(r"<body[^>]*>", lambda match: match.group() + hidden, document, count=1)
    start, end, rest = document.rpartition("</body>")
    return f"{start}{footer}{end}{rest}"


def shorten_lines(html: str) -> str:
    """Break long lines at spaces of running text, so that the message can travel as 8bit.

    RFC 5322 §2.1.1 allows 998 bytes; preformatted text is left alone.
    """
    parts = _PRE.split(html)
    for index in range(0, len(parts), 3):
        if any(len(line) > BREAK_AFTER for line in parts[index].split("\n")):
            parts[index] = _shorten(parts[index])
    del parts[2::3]
    return "".join(parts)


def _shorten(html: str) -> str:
    column = 0
    pieces = _SPACE_IN_TEXT.split(html)
    for index, piece in enumerate(pieces):
        if index % 2 == 0 and column + len(piece) > BREAK_AFTER:
            words = piece.split(" ")
            for place, word in enumerate(words[1:], start=1):
                column = len(words[place - 1]) + (column if place == 1 else column + 1)
                if column > BREAK_AFTER:
                    words[place] = "\n" + word
                    column = 0
                else:
                    words[place] = " " + word
            piece = pieces[index] = "".join(words)
        column = len(piece) - piece.rfind("\n") - 1 if "\n" in piece else column + len(piece)
    return "".join(pieces)
