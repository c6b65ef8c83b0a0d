"""Which column means what: the targets there are, and whether a mapping names columns and targets."""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from consent.imports.errors import MappingRefused
from contacts.models import DataField, Sentence

ATTRIBUTES = "attributes"
TARGETS: dict[str, str | Promise] = {
    "email": _("email address"),
    "phone": _("phone number"),
    "first_name": _("first name"),
    "last_name": _("last name"),
    "name": _("full name"),
    "language": _("language"),
    "timezone": _("time zone"),
    "lifecycle": _("lifecycle stage"),
    "tags": _("tags"),
    "created_at": _("first known on"),
    "last_active_at": _("last active on"),
    ATTRIBUTES: _("attributes (JSON)"),
    "status": _("status"),
    "topic": _("topic"),
    "channel": _("channel"),
    "source": _("evidence: source"),
    "consented_at": _("evidence: date"),
    "wording": _("evidence: words shown"),
    "ip": _("evidence: IP address"),
    "stopped": _("unsubscribed (yes or no)"),
    "stopped_sms": _("unsubscribed from text messages (yes or no)"),
    "stopped_at": _("unsubscribed on"),
    "bounced": _("bounced (yes, no or reason)"),
}
FIELD = "field."


def plain(name: str) -> str:
    """A name without case, accents, spaces and marks, to compare by."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return re.sub(r"[^a-z0-9]", "", decomposed)


def fields_of(mapping: Mapping[str, str]) -> set[str]:
    """The keys of the registered fields that a mapping writes."""
    targets = (target for target in mapping.values() if target.startswith(FIELD))
    return {target.removeprefix(FIELD) for target in targets}


def check(
    mapping: Mapping[str, str], columns: Sequence[str], fields: Mapping[str, DataField]
) -> None:
    """Raises `MappingRefused` where a column or target is not there, or nobody could be found."""
    for column, target in mapping.items():
        if column not in columns:
            raise MappingRefused(Sentence("There is no column “%s”.") % column[:60])
        if target.startswith(FIELD) and target.removeprefix(FIELD) not in fields:
            raise MappingRefused(Sentence("There is no registered field “%s”.") % target[:60])
        if target and target not in TARGETS and not target.startswith(FIELD):
            raise MappingRefused(Sentence("Nothing can be imported as “%s”.") % target[:60])
    if not {"email", "phone"} & set(mapping.values()):
        raise MappingRefused(
            Sentence("One column has to hold the email address or the phone number.")
        )
