"""What is wrong with Liquid, in words for the person who wrote it and in their language."""

import re

from django.utils.translation import gettext_lazy as _
from liquid.exceptions import BreakLoop, ContinueLoop, LiquidError, LiquidInterrupt

# What python-liquid says, and how we say it.
_SAYINGS = (
    (r"expected tag (\w+), found end of expression", _("“{%% %s %%}” is missing")),
    (r"unexpected tag '(\w+)'", _("“%s” belongs to nothing that is open")),
    (r"expected end of expression, found (.+)", _("one thing too many: %s")),
    (r"unexpected (['\"])", _("a quote is not closed: %s")),
    (r"more than (\d+) loop turns", _("more than %s turns of a loop")),
)
_PLAIN_SAYINGS = (
    (r"missing expression|expected .+, found end of expression", _("something is missing in it")),
    (r"block nesting limit reached", _("conditions and loops within each other")),
    (r"output stream limit reached", _("more text than a message may hold")),
)


def of(error: Exception) -> str:
    """One clause about an error of Liquid; where we know no better, in its own words."""
    if isinstance(error, LiquidInterrupt):
        name = {BreakLoop: "break", ContinueLoop: "continue"}.get(type(error), "")
        return str(_("“%s” stands in no loop") % name)
    if not isinstance(error, LiquidError):
        return type(error).__name__
    message = str(error.message or "")
    for pattern, saying in _SAYINGS:
        if found := re.fullmatch(pattern, message):
            return str(saying % found[1])
    for pattern, saying in _PLAIN_SAYINGS:
        if re.fullmatch(pattern, message):
            return str(saying)
    return message
