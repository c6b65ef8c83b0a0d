"""What a segment can ask about past campaigns: who was written to. It permits nothing."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign, Delivery
from contacts.segments import Condition, Operator, by_name, has

State = Delivery.State
# Written to as far as we know: what bounced did not arrive.
RECEIVED = [State.SENT, State.DELIVERED, State.COMPLAINED]
# The choices of a page are not the archive of years.
NEWEST = 300


def started() -> QuerySet[Campaign]:
    return Campaign.objects.exclude(started_at=None).order_by("-started_at", "-pk")


def key_in(words: str) -> int:
    """The key that a value of a rule is, one that no row has where it is none."""
    is_key = words.isascii() and words.isdecimal() and len(words) < 19
    return int(words) if is_key else -1


def name_of(campaigns: QuerySet[Campaign], words: str) -> str | None:
    """The name of one of these campaigns, None where the value names none."""
    return campaigns.filter(pk=key_in(words)).values_list("name", flat=True).first()


def past_campaigns() -> Iterable[Condition]:
    yield Condition(
        "campaign",
        _("campaign"),
        by_name(
            Operator("received", _("received"), "choice", _received_any, _("received “%(value)s”")),
            Operator(
                "received_any_of",
                _("received any of"),
                "choices",
                _received_any,
                _("received “%(value)s”"),
            ),
            Operator(
                "not_received",
                _("did not receive"),
                "choice",
                lambda key: ~_received_any(key),
                _("did not receive “%(value)s”"),
            ),
        ),
        [(str(pk), name) for pk, name in started().values_list("pk", "name")[:NEWEST]],
        older=partial(name_of, started()),
        group=_("Past campaigns"),
        cost=2,
    )
    yield Condition(
        "messages",
        _("any message"),
        by_name(
            Operator(
                "in_the_last",
                _("received in the last … days"),
                "days",
                _within,
                _("received a message in the last %(value)s days"),
            ),
            Operator(
                "not_in_the_last",
                _("not received in the last … days"),
                "days",
                lambda days: ~_within(days),
                _("received no message in the last %(value)s days"),
            ),
        ),
        group=_("Past campaigns"),
        cost=2,
    )


def _received_any(keys: str | list[str]) -> Q:
    chosen = [int(key) for key in ([keys] if isinstance(keys, str) else keys)]
    found = Delivery.objects.filter(campaign__in=chosen, state__in=RECEIVED)
    return has(found)


def _within(days: int) -> Q:
    """Campaigns that began long before are left out, so that years of deliveries are not read."""
    since = Now() - timedelta(days=days)
    lately = Campaign.objects.filter(Q(finished_at=None) | Q(finished_at__gte=since))
    found = Delivery.objects.filter(
        campaign__in=lately.exclude(started_at=None).values("pk"),
        state__in=RECEIVED,
        handed_over_at__gte=since,
    )
    return has(found)
