"""What the services of consent ask before they act, and what edges may ask."""

from collections.abc import Sequence

from consent import gate, in_flight
from consent.models import ConsentEvent, Topic, Wording
from consent.services.errors import AddressMissing, NothingChosen, WordingNotOffered
from contacts.models import Address, Channel, Contact, Identity


def has_said_no(*, contact: Contact, topic: Topic, channel: str) -> bool:
    """Whether a no of the person stands for this topic or for everything on the channel."""
    return (
        contact.permissions.filter(topic__in=[None, topic], channel=channel, stopped=True).exists()
        or contact.permissions.filter(topic=None, channel=channel, stopped=True).exists()
    )


def is_allowed(*, contact: Contact, topic: Topic, channel: str) -> bool:
    """Whether this may be done now, by what the gate says."""
    return gate.explain(contact=contact, topic=topic, channel=channel).is_allowed


def is_permitted(*, contact: Contact, topic: Topic, channel: str) -> bool:
    """Whether the person says yes to this, though they may want a pause now."""
    return gate.explain(contact=contact, topic=topic, channel=channel).is_permitted


def answer_is_final(*, contact: Contact | None, topic: Topic | None, channel: str) -> bool:
    """After a withdrawal's commit: wait until nothing is under way; False where one is still in doubt."""
    return contact is None or in_flight.settle(contact, topic.pk if topic else None, channel)


def check_offered(wordings: Sequence[Wording], *, allow_none: bool = False) -> None:
    if not wordings and not allow_none:
        raise NothingChosen
    offered = set(
        Wording.objects.current()
        .filter(pk__in=[wording.pk for wording in wordings], topic__status=Topic.Status.PUBLISHED)
        .values_list("pk", flat=True)
    )
    if any(wording.pk not in offered for wording in wordings):
        raise WordingNotOffered


def current_address(contact: Contact, channel: str, *, required: bool = True) -> Address | None:
    """The address a permission is given for; data-use permissions are tied to the email address, if any."""
    current = contact.addresses.current()
    if channel in (Channel.DATA, ""):
        address = current.order_by("channel").first()
    else:
        address = current.filter(channel=channel).first()
    if address is None and required:
        raise AddressMissing
    return address


def is_granted_by(contact: Contact, event: ConsentEvent) -> bool:
    return (
        contact.permissions.granted()
        .filter(topic__key=event.topic_id, channel=event.channel)
        .exists()
    )


def number_of(contact: Contact) -> str:
    """The number in clear that texts to this person go to; empty where there is none."""
    return str(Identity.objects.values_list("phone", flat=True).get(contact=contact))
