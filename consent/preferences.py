"""What the preference page shows: every box with what stands, since when and in which words."""

from dataclasses import dataclass, replace
from datetime import datetime

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from consent import gate
from consent.models import Permission, Topic, Wording
from consent.offers import Offer, offers
from consent.sms import texting
from contacts import addresses
from contacts.models import Channel, Contact, Identity

# What the gate says, in words to the person themselves.
SAID = {
    "pending": _("Not confirmed yet: look for our message in your inbox."),
    "claimed": _("We were told that you said yes, but cannot show it; so we do not write."),
    "other_address": _("You said yes for another address, not for this one."),
    "undeliverable": _("Our messages to this address came back."),
    "suppressed": _("This address asked us to stop."),
    "needs_renewal": _("What you said yes to has changed, so we ask you again."),
    "restricted": _("You asked us to keep your data and not to use it."),
}
SAID_SINCE = {
    "allowed": pgettext_lazy("since a date", "Yes, since"),
    "paused": pgettext_lazy("since a date", "Paused; yes, since"),
    "withdrawn": pgettext_lazy("since a date", "No, since"),
    "refused": pgettext_lazy("since a date", "No, since"),
    "objected": pgettext_lazy("since a date", "No, since"),
    "complained": pgettext_lazy("since a date", "Reported as unwanted on"),
    "expired": pgettext_lazy("since a date", "Your yes ended on"),
    "revoked": pgettext_lazy("since a date", "Ended by us on"),
    "invalidated": pgettext_lazy("since a date", "Ended by us on"),
}
CHANNELS = {
    Channel.EMAIL: _("By email"),
    Channel.SMS: _("By text message"),
    Channel.DATA: _("Use of data"),
}


@dataclass(frozen=True, slots=True)
class Box:
    """One topic on one channel, as it stands for a person; `wording` is what a yes would mean now.

    `is_asked_first`: nobody has confirmed the number yet, so a yes here is confirmed from it.
    """

    topic: Topic
    channel: str
    wording: Wording | None
    permission: Permission | None
    reason: str
    reached_at: str = ""
    is_asked_first: bool = False

    @property
    def is_on(self) -> bool:
        return self.reason in ("", gate.Reason.PAUSED)

    @property
    def key(self) -> str:
        return f"{self.topic.key}:{self.channel}"

    @property
    def shown(self) -> str:
        """What the page says it showed, to be sent back with the answer."""
        digest = self.wording.digest if self.wording else ""
        return f"{self.key}:{digest}:{int(self.is_on)}"

    @property
    def channel_name(self) -> str:
        return str(CHANNELS[Channel(self.channel)])

    @property
    def is_open(self) -> bool:
        """Whether the box can be changed: a yes needs words and an address, a no needs nothing."""
        return self.is_on or (self.wording is not None and bool(self.reached_at))

    @property
    def said(self) -> str:
        return str(SAID.get(self.reason, ""))

    @property
    def said_since(self) -> str:
        return str(SAID_SINCE.get(self.reason or "allowed", ""))

    @property
    def agreed(self) -> Wording | None:
        """The words that a yes was given to, where they are not those of today."""
        words = self.permission.wording if self.permission and self.is_on else None
        return words if words and words != self.wording else None

    @property
    def since(self) -> datetime | None:
        return self.permission.since if self.permission else None


@dataclass(frozen=True, slots=True)
class Line:
    """One topic with its boxes."""

    offer: Offer
    boxes: list[Box]


@dataclass(frozen=True, slots=True)
class Group:
    """Topics of one use under their heading; messages come first and need none."""

    name: str
    lines: list[Line]


def groups_of(contact: Contact, language: str) -> list[Group]:
    """`lines_of`, the messages before the uses of data."""
    lines = lines_of(contact, language)
    uses = [line for line in lines if line.offer.topic.use == Topic.Use.DATA]
    messages = [line for line in lines if line not in uses]
    named = [Group("", messages), Group(str(_("What we may do with your data")), uses)]
    return [group for group in named if group.lines]


def lines_of(contact: Contact, language: str) -> list[Line]:
    """Every topic that is offered, or that this person has said yes to, with what stands."""
    permissions = {
        (permission.topic_id, permission.channel): permission
        for permission in contact.permissions.select_related("topic", "wording")
    }
    # Without a gateway nothing can be promised by text; what stands is shown all the same.
    is_sent = [c for c in Channel.values if c != Channel.SMS or texting.are_offered()]
    offered = offers(language=language, channels=is_sent)
    known = {offer.topic.pk for offer in offered}
    private = {
        permission.topic
        for permission in permissions.values()
        if permission.topic
        and permission.topic_id not in known
        and permission.topic.status == Topic.Status.PUBLISHED
        and permission.state == Permission.State.GRANTED
    }
    identity = Identity.objects.filter(contact=contact).first()
    reached_at = {
        Channel.EMAIL: addresses.mask(Channel.EMAIL, identity.email if identity else ""),
        Channel.SMS: addresses.mask(Channel.SMS, identity.phone if identity else ""),
    }
    reached_at[Channel.DATA] = reached_at[Channel.EMAIL] or reached_at[Channel.SMS]
    unshown = set(
        contact.addresses.current()
        .filter(channel=Channel.SMS, verified_at=None)
        .values_list("channel", flat=True)
    )
    return [
        Line(
            offer,
            [
                replace(
                    _box(contact, offer, channel, permissions.get(key), reached_at),
                    is_asked_first=channel in unshown,
                )
                for channel in offer.topic.channels
                if (key := (offer.topic.pk, channel.value)) in permissions or channel in is_sent
            ],
        )
        for offer in [*offered, *(Offer(topic) for topic in sorted(private, key=lambda t: t.key))]
    ]


def _box(
    contact: Contact,
    offer: Offer,
    channel: Channel,
    permission: Permission | None,
    reached_at: dict[Channel, str],
) -> Box:
    wording = next((w for w in offer.wordings if w.channel == channel), None)
    return Box(
        offer.topic,
        channel,
        wording,
        permission,
        gate.explain(contact=contact, topic=offer.topic, channel=channel).reason,
        reached_at[channel],
    )
