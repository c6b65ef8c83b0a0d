"""What a person may tell at sign-up beside the boxes: registered fields, each asked with its reason."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consent import gate
from consent.models import ServiceMail, Topic, Wording
from consent.offers import Offer
from contacts import fields
from contacts.models import Channel, Contact, DataField


@dataclass(frozen=True, slots=True)
class Question:
    """A field, and the use of data under which alone its answer is kept (None: it depends on none)."""

    field: DataField
    topic: Topic | None = None

    @property
    def name(self) -> str:
        """What the answer is called in the form that is sent."""
        return f"field-{self.field.key}"


def questions(offered: Iterable[Offer]) -> list[Question]:
    """The fields that sign-up asks; one that depends on a use of data only where that can be permitted."""
    uses = {offer.topic.key: offer.topic for offer in offered}
    return [
        Question(field, uses.get(field.topic_key))
        for field in DataField.objects.in_use().asked_at_sign_up().order_by("label", "pk")
        if not field.topic_key or field.topic_key in uses
    ]


def questions_about(contact: Contact) -> list[Question]:
    """What a person may correct: what is kept of them, and what sign-up asks and they permit to keep."""
    uses = Topic.objects.published().in_bulk(field_name="key")
    permitted = {
        key: gate.explain(contact=contact, topic=use, channel=Channel.DATA).is_permitted
        for key, use in uses.items()
        if use.use == Topic.Use.DATA
    }
    return [
        Question(field, uses.get(field.topic_key))
        for field in DataField.objects.in_use().order_by("label", "pk")
        if field.key in contact.attributes
        or (field.is_asked_at_sign_up and permitted.get(field.topic_key, not field.topic_key))
    ]


def as_typed(field: DataField, value: fields.Value | None) -> str | list[str]:
    """A kept value as the form shows it, to be sent back unchanged."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return value if field.choices else ", ".join(value)
    return "" if value is None else str(value)


def kept_under(
    wordings: Iterable[Wording], given: Mapping[str, fields.Value]
) -> dict[str, fields.Value]:
    """The answers that may be kept once these words are confirmed."""
    ticked = {wording.topic.key for wording in wordings}
    asked = DataField.objects.in_use().asked_at_sign_up().in_bulk(list(given), field_name="key")
    return {
        key: given[key]
        for key, field in asked.items()
        if not field.topic_key or field.topic_key in ticked
    }


def readable(mail: ServiceMail) -> list[tuple[str, str]]:
    """What a sign-up was sent with and waits for its confirmation: labels and answers, to be shown."""
    given = mail.details.get("answers", {})
    asked = DataField.objects.in_use().in_bulk(list(given), field_name="key")
    return [
        (asked[key].text("label"), fields.shown(asked[key], given[key])) for key in sorted(asked)
    ]
