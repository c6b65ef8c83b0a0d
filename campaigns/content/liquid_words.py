"""What is wrong with Liquid, in words for the person who wrote it and in their language."""

import re

from liquid.exceptions import BreakLoop, ContinueLoop, LiquidError, LiquidInterrupt

from contacts.models import Sentence

# What python-liquid says, and how we say it.
_SAYINGS = (
    (r"expected tag (\w+), found end of expression", Sentence("“{%% %s %%}” is missing")),
    (r"unexpected tag '(\w+)'", Sentence("“%s” belongs to nothing that is open")),
    (r"expected end of expression, found (.+)", Sentence("one thing too many: %s")),
    (r"unexpected (['\"])", Sentence("a quote is not closed: %s")),
    (r"more than (\d+) loop turns", Sentence("more than %s turns of a loop")),
)
_PLAIN_SAYINGS = (
    (
        r"missing expression|expected .+, found end of expression",
        Sentence("something is missing in it"),
    ),
    (r"block nesting limit reached", Sentence("conditions and loops within each other")),
    (r"output stream limit reached", Sentence("more text than a message may hold")),
)


def of(error: Exception) -> Sentence | str:
    """One clause about an error of Liquid; where we know no better, in its own words."""
    if isinstance(error, LiquidInterrupt):
        name = {BreakLoop: "break", ContinueLoop: "continue"}.get(type(error), "")
        return Sentence("“%s” stands in no loop") % name
    if not isinstance(error, LiquidError):
        return type(error).__name__
    message = str(error.message or "")
    for pattern, saying in _SAYINGS:
        if found := re.fullmatch(pattern, message):
            return saying % found[1]
    for pattern, saying in _PLAIN_SAYINGS:
        if re.fullmatch(pattern, message):
            return saying
    return message
