"""A person's history of consent in plain words."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from consent import ledger
from consent.models import ActorRole, ConsentEvent, Kind, Topic
from consent.preferences import CHANNELS
from contacts.models import Channel, Contact

# The sentence for an act of the person, and the one for an act of somebody else where it differs.
BY_YOU = {
    Kind.REQUESTED: gettext_lazy("Somebody typed your address and ticked this box."),
    Kind.GIVEN: gettext_lazy("You said yes."),
    Kind.RENEWED: gettext_lazy("You said yes again."),
    Kind.REFUSED: gettext_lazy("You said no."),
    Kind.WITHDRAWN: gettext_lazy("You took back your yes."),
    Kind.OBJECTED: gettext_lazy("You told us to stop everything."),
    Kind.COMPLAINED: gettext_lazy("You reported a message as unwanted."),
    Kind.UNDONE: gettext_lazy("You undid your no."),
    Kind.RESTRICTED: gettext_lazy("You asked us not to use your data."),
    Kind.UNRESTRICTED: gettext_lazy("You allowed us to use your data again."),
    Kind.ERASED: gettext_lazy("Your data was erased."),
}
BY_OTHERS = {
    Kind.REQUESTED: gettext_lazy("You were asked."),
    Kind.GIVEN: gettext_lazy("We recorded your yes."),
    Kind.RENEWED: gettext_lazy("We recorded your yes again."),
    Kind.REFUSED: gettext_lazy("We recorded your no."),
    Kind.WITHDRAWN: gettext_lazy("We recorded that you took back your yes."),
    Kind.OBJECTED: gettext_lazy("We recorded that you want nothing from us."),
    Kind.COMPLAINED: gettext_lazy("Your mail provider told us that you reported a message."),
    Kind.REVOKED: gettext_lazy("We ended this permission."),
    Kind.EXPIRED: gettext_lazy("Your yes ended, because it was too old."),
    Kind.INVALIDATED: gettext_lazy("We found that this yes did not count, and ended it."),
    Kind.ASSERTED: gettext_lazy(
        "A list we were given says that you said yes; we do not rely on it."
    ),
    Kind.BASIS_RECORDED: gettext_lazy("We recorded that you are a customer."),
    Kind.RESTRICTED: gettext_lazy("We stopped using your data."),
    Kind.UNRESTRICTED: gettext_lazy("We may use your data again."),
    Kind.ERASED: gettext_lazy("Your data was erased."),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One act: when, about what, what happened, and the words that were shown."""

    at: datetime
    about: str
    what: str
    how: str
    words: str


def moments_of(contact: Contact) -> list[Moment]:
    """The newest first."""
    names = {topic.key: topic.name for topic in Topic.objects.all()}
    return [_moment(event, names) for event in reversed(ledger.history_of(contact))]


def _moment(event: ConsentEvent, names: dict[str, str]) -> Moment:
    sentences = BY_YOU if event.actor_role == ActorRole.SUBJECT else BY_OTHERS
    kind = Kind(event.kind)
    topic = names[event.topic_id] if event.topic_id else _("Everything")
    channel = str(CHANNELS[Channel(event.channel)]) if event.channel else ""
    return Moment(
        at=event.occurred_at,
        about=f"{topic} · {channel}" if channel else topic,
        what=str(sentences.get(kind) or kind.label),
        how=event.get_method_display() if event.method else "",
        words=event.wording.text if event.wording else "",
    )
