"""A count of people by what they permit: who may be written to on a topic, and who not, because …"""

from django.db.models import QuerySet

from consent import judging
from consent.gate import Reason
from consent.models import Topic
from contacts.admin import splits
from contacts.models import Contact


def by_permission(
    people: "QuerySet[Contact]", asked: str, total: int, exactly: bool
) -> splits.Split:
    """What the gate says of these people now; an estimate where they are many and none asked for more."""
    offers = {
        f"{topic.key}.{channel}": (topic, channel)
        for topic in Topic.objects.published()
        .filter(use=Topic.Use.MESSAGE)
        .order_by("position", "key")
        for channel in topic.channels
    }
    if not offers:
        return splits.Split()
    asked = asked if asked in offers else next(iter(offers))
    topic, channel = offers[asked]
    if exactly:
        counted = judging.counts(people, topic=topic, channel=channel)
    else:
        counted = judging.estimates(people, total=total, topic=topic, channel=channel)
    return splits.Split(
        questions=[
            (key, f"{topic.name} · {channel.label}") for key, (topic, channel) in offers.items()
        ],
        asked=asked,
        parts=[
            splits.Part(Reason(reason).label if reason else "", count, is_yes=not reason)
            for reason, count in counted
        ],
        is_estimate=total > judging.FEW and not exactly,
    )


splits.register(by_permission)
