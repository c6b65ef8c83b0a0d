"""What people who permitted it opened and clicked: no network address, no browser, no single moments."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from campaigns.models.campaigns import Campaign
from campaigns.models.deliveries import Delivery
from contacts.models import Contact


class Destination(models.Model):
    """Where a link of a measured campaign leads: written down once, when the campaign starts."""

    campaign = models.ForeignKey(
        Campaign,
        models.PROTECT,
        related_name="destinations",
        verbose_name=_("campaign"),
        db_index=False,
    )
    number = models.PositiveSmallIntegerField(_("number"))
    url = models.URLField(_("address"), max_length=2000)

    class Meta:
        verbose_name = _("destination")
        verbose_name_plural = _("destinations")
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "number"], name="destination_one_per_number"
            ),
            models.CheckConstraint(
                name="destination_is_a_web_address",
                condition=Q(url__startswith="https://") | Q(url__startswith="http://"),
            ),
        ]

    def __str__(self) -> str:
        return self.url


class HitQuerySet(models.QuerySet["Hit"]):
    def opens(self) -> Self:
        return self.filter(destination=None)

    def clicks(self) -> Self:
        return self.exclude(destination=None)


class Hit(models.Model):
    """That one delivery was opened (no destination), or one of its links was followed; how often, at most."""

    delivery = models.ForeignKey(
        Delivery,
        models.PROTECT,
        related_name="hits",
        verbose_name=_("delivery"),
        db_index=False,
    )
    # Known from the delivery; here for the counts of a campaign and the segments of contacts.
    campaign = models.ForeignKey(
        Campaign, models.PROTECT, related_name="+", verbose_name=_("campaign"), db_index=False
    )
    contact = models.ForeignKey(
        Contact, models.PROTECT, related_name="hits", verbose_name=_("contact")
    )
    destination = models.ForeignKey(
        Destination,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("destination"),
        db_index=False,
    )
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))
    times = models.PositiveIntegerField(_("times"), default=1)

    objects = HitQuerySet.as_manager()

    class Meta:
        verbose_name = _("hit")
        verbose_name_plural = _("hits")
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "destination"],
                nulls_distinct=False,
                name="hit_one_per_delivery_and_destination",
            ),
            models.CheckConstraint(name="hit_happened", condition=Q(times__gte=1)),
        ]
        indexes = [
            models.Index(fields=["campaign", "destination", "contact"], name="hit_by_campaign"),
            models.Index(fields=["last_at"], name="hit_by_time"),
        ]

    def __str__(self) -> str:
        return f"hit {self.pk}"


class Result(models.Model):
    """The last count of what was measured of a campaign: numbers only, which stay when the hits are gone."""

    campaign = models.OneToOneField(
        Campaign,
        models.CASCADE,
        primary_key=True,
        related_name="result",
        verbose_name=_("campaign"),
    )
    received = models.PositiveIntegerField(_("received"))
    measured = models.PositiveIntegerField(_("measured"))
    opened = models.PositiveIntegerField(_("opened"))
    clicked = models.PositiveIntegerField(_("clicked"))
    clicks = models.JSONField(_("people by link"), default=dict)
    counted_at = models.DateTimeField(_("counted"))
    took = models.DurationField(_("took"))

    class Meta:
        verbose_name = _("result")
        verbose_name_plural = _("results")

    def __str__(self) -> str:
        return f"result of campaign {self.pk}"
