"""Why content cannot be used, in sentences for the person who wrote it."""

from typing import Self

from contacts.models import Sentence

# As the composer calls them.
PARTS = {
    "subject": Sentence("subject"),
    "preheader": Sentence("preview line"),
    "body": Sentence("body"),
}


class ContentError(Exception):
    """The content cannot be used. `part` is subject, preheader or body; `line` counts from 1."""

    sentence = Sentence("Line %(line)d of the %(part)s cannot be used: %(name)s.")

    def __init__(self, *, part: str = "body", line: int = 1, name: Sentence | str = "") -> None:
        said = {"part": PARTS.get(part, part), "line": line, "name": name}
        super().__init__(self.sentence % said)
        self.part = part
        self.line = line
        self.name = name


class UnknownName(ContentError):
    """A name that is neither a registered field nor one of the links."""

    sentence = Sentence(
        "Line %(line)d of the %(part)s: there is no registered field or name “%(name)s”."
    )


class UnknownTag(ContentError):
    """A Liquid tag that newsletters may not use."""

    sentence = Sentence("Line %(line)d of the %(part)s: the tag “%(name)s” cannot be used here.")


class UnknownFilter(ContentError):
    """A Liquid filter that newsletters may not use."""

    sentence = Sentence("Line %(line)d of the %(part)s: the filter “%(name)s” cannot be used here.")


class BrokenSyntax(ContentError):
    """Liquid or MJML that cannot be read."""

    sentence = Sentence("Line %(line)d of the %(part)s cannot be read: %(name)s.")


class UnsafeMarkup(ContentError):
    """Markup that could run code or let a personal value break out of its place."""

    sentence = Sentence("Line %(line)d of the %(part)s: “%(name)s” is not allowed in a message.")


class TellingImage(ContentError):
    """An image whose address is not the same for every reader: fetching it tells who opens the message."""

    sentence = Sentence(
        "Line %(line)d of the %(part)s: “%(name)s” in the address of an image would tell its server who "
        "opens the message, whether they permit that or not. Write the address without it."
    )


class CrossedBlocks(ContentError):
    """A condition or loop that opens in one paragraph and closes in another."""

    sentence = Sentence(
        "Line %(line)d of the %(part)s: “%(name)s” must hold whole paragraphs or stay within one."
    )


class TooLarge(ContentError):
    """Content beyond the limits of size, loops or time."""

    sentence = Sentence("Line %(line)d of the %(part)s: too much: %(name)s.")

    @classmethod
    def of(cls, length: int, most: int, *, part: str = "body", line: int = 1) -> Self:
        """Too long: `length` characters where `most` may stand."""
        return cls(part=part, line=line, name=too_long(length, most))


class RenderingFailed(ContentError):
    """The content cannot be rendered for this person's values."""

    sentence = Sentence("The %(part)s cannot be rendered for this person: %(name)s.")


def too_long(length: int, most: int) -> Sentence:
    """How long it is and may be, in words."""
    return Sentence("%(length)d characters, %(most)d at most") % {"length": length, "most": most}
