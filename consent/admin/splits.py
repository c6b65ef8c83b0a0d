"""A count of people by what they permit: how many of them may be written to on each topic."""

from collections.abc import Iterable

from django.db.models import Count, QuerySet

from consent.models import Permission, Topic
from contacts.admin import splits
from contacts.models import Contact


def by_permission(people: "QuerySet[Contact]") -> Iterable[splits.Split]:
    """Granted permissions among these people, per message topic and channel; the gate may say less."""
    granted = Permission.objects.granted().filter(contact__in=people, topic__use=Topic.Use.MESSAGE)
    counts = {
        (topic, channel): count
        for topic, channel, count in granted.values_list("topic", "channel").annotate(Count("pk"))
    }
    for topic in (
        Topic.objects.published().filter(use=Topic.Use.MESSAGE).order_by("position", "key")
    ):
        for channel in topic.channels:
            words = f"{topic.name} · {channel.label}"
            yield splits.Split(words, counts.get((topic.pk, channel), 0))


splits.register(by_permission)
