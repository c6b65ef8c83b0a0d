"""What the public pages offer: topics with the current words for each box, in the reader's language."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.conf import settings

from consent.models import Permission, Topic, Wording
from contacts.models import Channel, Contact


@dataclass(frozen=True, slots=True)
class Offer:
    """A topic and the words that stand beside its boxes, one per channel."""

    topic: Topic
    wordings: list[Wording] = field(default_factory=list)

    @property
    def description(self) -> str:
        return self.topic.text("description")

    @property
    def frequency(self) -> str:
        return self.topic.text("frequency")


def offers(*, language: str, channels: Iterable[str] = Channel.values) -> list[Offer]:
    """Every public topic that can be said yes to on one of `channels`, in the order of the pages.

    Words that do not exist in `language` are offered in the installation's own language, or else in any.
    """
    topics = {topic.pk: topic for topic in Topic.objects.offered().order_by("position", "pk")}
    best: dict[tuple[int, str], Wording] = {}
    for wording in Wording.objects.current().filter(topic__in=topics, channel__in=channels):
        wording.topic = topics[wording.topic_id]
        key = (wording.topic_id, wording.channel)
        if wording.channel in wording.topic.channels and (
            key not in best or _rank(wording, language) < _rank(best[key], language)
        ):
            best[key] = wording
    found = [
        Offer(topic, [best[pk, channel] for channel in topic.channels if (pk, channel) in best])
        for pk, topic in topics.items()
    ]
    return [offer for offer in found if offer.wordings]


def current_words(*, topic: Topic, channel: str, language: str) -> Wording | None:
    """What a yes to this topic means today, in this language where there are words in it."""
    found = Wording.objects.current().filter(topic=topic, channel=channel).select_related("topic")
    return min(found, key=lambda wording: _rank(wording, language), default=None)


def _rank(wording: Wording, language: str) -> tuple[int, str]:
    wanted = [language, language[:2], settings.LANGUAGE_CODE]
    known = wording.language in wanted
    return (wanted.index(wording.language) if known else len(wanted), wording.language)


def is_unconfirmed(*, contact: Contact, wording: Wording) -> bool:
    """Whether a confirmation still has something to confirm.

    A no, or an end, that came after the mail was asked for must not be undone by the link in it.
    """
    if wording.topic.status != Topic.Status.PUBLISHED:
        return False
    standing = contact.permissions.filter(topic=wording.topic, channel=wording.channel).first()
    return (
        standing is None
        or standing.state == Permission.State.PENDING
        or (standing.state == Permission.State.GRANTED and not standing.fresh_at)
    )
