"""What a segment can ask about opens and clicks: of those only who permit, now, that they are counted.

Of everybody else nobody knows whether they clicked: who "did not click" is asked among the measured alone.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from campaigns import measurement
from campaigns.conditions import NEWEST, RECEIVED, key_in, name_of, started
from campaigns.models import Campaign, Delivery, Destination, Hit
from campaigns.models.hits import HitQuerySet
from contacts.segments import Condition, Operator, by_name, has

GROUP = _("Opens and clicks, only of people who permit that they are counted")
Query = Callable[[str], Q]


def measured() -> Iterable[Condition]:
    """Offered once a measured campaign has started."""
    campaigns = started().filter(is_measured=True)
    choices = [(str(pk), name) for pk, name in campaigns.values_list("pk", "name")[:NEWEST]]
    if not choices:
        return
    yield Condition(
        "measured_campaign",
        _("measured campaign"),
        by_name(*_of_a_campaign()),
        choices,
        older=partial(name_of, campaigns),
        group=GROUP,
        cost=2,
    )
    yield Condition(
        "measured_link",
        _("link of a campaign"),
        by_name(*_of_a_link()),
        list(_links([int(pk) for pk, _name in choices])),
        older=partial(_link, campaigns),
        group=GROUP,
        cost=2,
    )
    yield Condition(
        "measured", _("any measured campaign"), by_name(*_lately()), group=GROUP, cost=2
    )


def _of_a_campaign() -> Iterator[Operator]:
    def asked(name: str, label: Promise, query: Query, says: Promise) -> Operator:
        return Operator(name, label, "choice", query, says)

    yield asked(
        "clicked",
        _("clicked any link"),
        lambda key: _among(Hit.objects.clicks().filter(campaign=int(key))),
        _("is measured and clicked in “%(value)s”"),
    )
    yield asked(
        "not_clicked",
        _("is measured, but did not click"),
        lambda key: _but_not(_got(key), Hit.objects.clicks().filter(campaign=int(key))),
        _("is measured and did not click in “%(value)s”"),
    )
    yield asked(
        "opened",
        _("opened (unreliable)"),
        lambda key: _among(Hit.objects.filter(campaign=int(key))),
        _("is measured and opened “%(value)s”"),
    )
    yield asked(
        "not_opened",
        _("is measured, but did not open (unreliable)"),
        lambda key: _but_not(_got(key), Hit.objects.filter(campaign=int(key))),
        _("is measured and did not open “%(value)s”"),
    )


def _of_a_link() -> Iterator[Operator]:
    yield Operator(
        "clicked",
        _("clicked"),
        "choice",
        lambda key: _among(_followed(key)),
        _("is measured and followed “%(value)s”"),
    )
    yield Operator(
        "not_clicked",
        _("is measured, but did not click"),
        "choice",
        lambda key: _but_not(_got(key.partition(".")[0]), _followed(key)),
        _("is measured and did not follow “%(value)s”"),
    )


def _lately() -> Iterator[Operator]:
    def asked(name: str, label: Promise, query: Callable[[int], Q], says: Promise) -> Operator:
        return Operator(name, label, "days", query, says)

    yield asked(
        "clicked_in_the_last",
        _("clicked in the last … days"),
        lambda days: _among(_within(days).clicks()),
        _("is measured and clicked in the last %(value)s days"),
    )
    yield asked(
        "not_clicked_in_the_last",
        _("was written to and measured in the last … days, but did not click"),
        lambda days: _but_not(_got_within(days), _within(days).clicks()),
        _("was written to and measured in the last %(value)s days and clicked nothing"),
    )
    yield asked(
        "opened_in_the_last",
        _("opened in the last … days (unreliable)"),
        lambda days: _among(_within(days)),
        _("is measured and opened something in the last %(value)s days"),
    )


def _links(campaign_ids: list[int]) -> Iterator[tuple[str, str]]:
    """As campaign and number, which stay the same, and in words; see `_link`."""
    newest = Destination.objects.filter(campaign__in=campaign_ids).select_related("campaign")
    for each in newest.order_by("-campaign__started_at", "-campaign", "number")[:NEWEST]:
        yield f"{each.campaign_id}.{each.number}", f"{each.campaign.name} · {each.url}"


def _link(campaigns: QuerySet[Campaign], key: str) -> str | None:
    campaign, _dot, link = key.partition(".")
    chosen = campaigns.filter(pk=key_in(campaign), destinations__number=key_in(link))
    return next((" · ".join(row) for row in chosen.values_list("name", "destinations__url")), None)


def _among(hits: HitQuerySet) -> Q:
    """A hit opens a message, too: whoever clicked has opened it."""
    return has(hits) & measurement.usable()


def _but_not(got: Q, hits: HitQuerySet) -> Q:
    return got & ~has(hits) & measurement.usable()


def _followed(key: str) -> HitQuerySet:
    campaign, _dot, number = key.partition(".")
    return Hit.objects.filter(campaign=int(campaign), destination__number=int(number))


def _got(key: str) -> Q:
    got = Delivery.objects.filter(campaign=int(key), is_measured=True, state__in=RECEIVED)
    return has(got)


def _within(days: int) -> HitQuerySet:
    return Hit.objects.filter(last_at__gte=Now() - timedelta(days=days))


def _got_within(days: int) -> Q:
    """Of measured campaigns that may have sent since then, so that years of deliveries are not read."""
    since = Now() - timedelta(days=days)
    lately = Campaign.objects.filter(Q(finished_at=None) | Q(finished_at__gte=since))
    got = Delivery.objects.filter(
        campaign__in=lately.filter(is_measured=True).exclude(started_at=None).values("pk"),
        is_measured=True,
        state__in=RECEIVED,
        handed_over_at__gte=since,
    )
    return has(got)
