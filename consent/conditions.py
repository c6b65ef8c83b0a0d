"""What a segment can ask about permission: who has it, since when, who lost it. It permits nothing."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from consent.models import Permission, Topic
from contacts.segments import Condition, Operator, by_name, has, midnight

State = Permission.State

LOST = [
    State.WITHDRAWN,
    State.OBJECTED,
    State.COMPLAINED,
    State.REVOKED,
    State.EXPIRED,
    State.INVALIDATED,
]


def permissions() -> Iterable[Condition]:
    """One condition per topic and channel, named `permission.<topic>.<channel>`.

    None for a use of data that was retired: nobody permits it any more, whatever they once said.
    """
    over = Q(use=Topic.Use.DATA, status=Topic.Status.RETIRED)
    for topic in Topic.objects.exclude(status=Topic.Status.DRAFT).exclude(over).order_by("key"):
        for channel in topic.channels:
            yield Condition(
                f"permission.{topic.key}.{channel}",
                f"{topic.name} · {channel.label}",
                by_name(*_operators(topic.pk, channel)),
                group=_("Permission"),
                cost=2,
            )


def _operators(topic_id: int, channel: str) -> Iterable[Operator]:
    def standing(**columns: object) -> Q:
        return has(Permission.objects.filter(topic=topic_id, channel=channel, **columns))

    def given(**columns: object) -> Q:
        found = Permission.objects.granted().filter(topic=topic_id, channel=channel, **columns)
        return has(found.filter(Q(valid_until=None) | Q(valid_until__gt=Now())))

    yield Operator("has", _("is given"), "nothing", lambda _value: given(), _("permits %(label)s"))
    yield Operator(
        "has_not",
        _("is not given"),
        "nothing",
        lambda _value: ~given(),
        _("does not permit %(label)s"),
    )
    yield Operator(
        "since_days",
        _("has for at least … days"),
        "days",
        lambda days: given(since__lte=Now() - timedelta(days=days)),
        _("has permitted %(label)s for at least %(value)s days"),
    )
    yield Operator(
        "gained_in_the_last",
        _("gained in the last … days"),
        "days",
        lambda days: given(since__gte=Now() - timedelta(days=days)),
        _("permitted %(label)s in the last %(value)s days"),
    )
    yield Operator(
        "since_from",
        _("given on or after"),
        "date",
        lambda day: given(since__gte=midnight(day)),
        _("has permitted %(label)s since %(value)s or later"),
    )
    yield Operator(
        "since_before",
        _("given before"),
        "date",
        lambda day: given(since__lt=midnight(day)),
        _("has permitted %(label)s since before %(value)s"),
    )
    yield Operator(
        "expires_in_the_next",
        _("expires in the next … days"),
        "days",
        lambda days: given(valid_until__lte=Now() + timedelta(days=days)),
        _("permits %(label)s for at most %(value)s more days"),
    )
    yield Operator(
        "lost",
        _("lost"),
        "nothing",
        lambda _value: standing(state__in=LOST),
        _("no longer permits %(label)s"),
    )
    yield Operator(
        "lost_in_the_last",
        _("lost in the last … days"),
        "days",
        lambda days: standing(state__in=LOST, since__gte=Now() - timedelta(days=days)),
        _("stopped permitting %(label)s in the last %(value)s days"),
    )
    yield Operator(
        "never_asked",
        _("was never asked"),
        "nothing",
        lambda _value: ~standing(),
        _("was never asked about %(label)s"),
    )
