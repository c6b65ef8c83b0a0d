"""One delivery per campaign and contact, and the records of the machinery that works them off.

A delivery is updated twice on its way; no column that changes then stands in an index or in an index's
condition, so that PostgreSQL writes no index entry for it (heap-only tuples).
"""

import uuid
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Max, Min, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from campaigns.models.campaigns import Campaign
from consent.models import ConsentEvent
from contacts.models import Address, Contact


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def of(self, campaign_id: int) -> Self:
        """Those of one campaign: its lanes cover their keys, so that nothing that came after it is walked."""
        found = self.filter(campaign=campaign_id)
        keys = Lane.objects.filter(campaign=campaign_id).aggregate(
            first=Min("after"), last=Max("until")
        )
        if keys["last"] is None:
            return found
        return found.filter(pk__gt=keys["first"], pk__lte=keys["last"])

    def in_state(self, state: str) -> Self:
        """Those in a state; the ones that have reasons are found by them, as their index holds them."""
        found = self.filter(state=state)
        return found.exclude(reason="") if state in Delivery.REASONED else found

    def pending(self) -> Self:
        return self.filter(state=Delivery.State.PENDING)

    def in_flight(self) -> Self:
        """Claimed for a hand-over whose outcome is not recorded yet."""
        return self.filter(state=Delivery.State.CLAIMED)

    def unknown(self) -> Self:
        """Handed over or not: nobody knows. Each has a reason, which is what the index holds."""
        return self.filter(state=Delivery.State.UNKNOWN).exclude(reason="")

    def undecided(self) -> Self:
        """Unknown, and staff have not said yet whether to try again or leave it."""
        return self.unknown().exclude(reason=Delivery.Trouble.LEFT)


class Delivery(models.Model):
    """One campaign to one contact: what was decided, by which consent event, and what became of it."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        CLAIMED = "claimed", _("being handed over")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        WITHHELD = "withheld", _("withheld")
        UNKNOWN = "unknown", _("unknown")
        DELIVERED = "delivered", _("delivered")
        BOUNCED = "bounced", _("bounced")
        COMPLAINED = "complained", _("complained")

    class Trouble(models.TextChoices):
        """Why a delivery failed or is unknown; why one is withheld says `consent.gate.Reason`."""

        REFUSED = "refused_by_relay", _("the relay refused it")
        GIVEN_UP = "given_up", _("put off too often")
        NOT_RENDERED = "not_rendered", _("the content cannot be rendered for this person")
        NO_ANSWER = "no_answer", _("the connection was lost after the message had gone out")
        STOPPED_WORKING = "stopped_working", _("the worker ended in the middle of the hand-over")
        LEFT = "left", _("nobody knows, and it was decided to leave it so")

    campaign = models.ForeignKey(
        Campaign,
        models.PROTECT,
        related_name="deliveries",
        verbose_name=_("campaign"),
        db_index=False,
    )
    contact = models.ForeignKey(
        Contact,
        models.PROTECT,
        related_name="deliveries",
        verbose_name=_("contact"),
        db_index=False,
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(_("reason"), max_length=24, blank=True, default="")
    # Events and addresses are never deleted; a check per row would double the cost of a claim.
    event = models.ForeignKey(
        ConsentEvent,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("consent event"),
        db_index=False,
        db_constraint=False,
    )
    address = models.ForeignKey(
        Address,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("address"),
        db_index=False,
        db_constraint=False,
    )
    is_measured = models.BooleanField(_("measured"), db_default=False)
    unit = models.UUIDField(_("unit"), null=True)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    due_at = models.DateTimeField(_("due"), null=True)
    handed_over_at = models.DateTimeField(_("handed over"), null=True)
    settled_at = models.DateTimeField(_("settled"), null=True)
    provider_id = models.CharField(_("provider's id"), max_length=255, blank=True, default="")
    diagnostic = models.TextField(_("diagnostic"), blank=True, default="")

    objects = DeliveryQuerySet.as_manager()

    REASONED = frozenset({State.WITHHELD, State.FAILED, State.UNKNOWN})

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "campaign"], name="delivery_one_per_campaign_and_contact"
            ),
            models.CheckConstraint(
                name="delivery_handed_over_names_its_reason",
                condition=Q(state__in=["pending", "withheld"])
                | Q(event__isnull=False, address__isnull=False, attempt__gt=0),
            ),
            models.CheckConstraint(
                name="delivery_not_sent_names_its_reason",
                condition=~Q(state__in=["withheld", "failed", "unknown"]) | ~Q(reason=""),
            ),
        ]
        indexes = [
            BrinIndex(
                fields=["campaign"],
                name="delivery_by_campaign",
                pages_per_range=16,
                autosummarize=True,
            ),
            # What came back to pending, and what waits for its hour.
            models.Index(
                fields=["campaign", "due_at"],
                condition=Q(due_at__isnull=False),
                name="delivery_due",
            ),
            models.Index(
                fields=["campaign", "reason", "id"],
                condition=~Q(reason=""),
                name="delivery_by_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class Lane(models.Model):
    """A range of a campaign's deliveries by id, and how far it was walked; one worker at a time.

    `walked` only saves time: a campaign ends when none of its deliveries is pending or claimed.
    """

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="lanes")
    number = models.PositiveSmallIntegerField()
    after = models.BigIntegerField()
    until = models.BigIntegerField()
    walked = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="lane_one_per_number")
        ]

    def __str__(self) -> str:
        return f"lane {self.number} of campaign {self.campaign_id}"


class Unit(models.Model):
    """Deliveries claimed for one hand-over. It ends with the record of what became of them.

    Past its lease nothing of it is handed over any more, and what has no record is unknown.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", db_constraint=False)
    deliveries = ArrayField(models.BigIntegerField())
    lease_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"unit {self.pk}"


class Heartbeat(models.Model):
    """When a part of the machinery last did its work, by the database's clock."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
