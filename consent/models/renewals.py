"""Asking people, while their yes still stands, whether it goes on: who started it, and who was asked."""

from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from consent.models.ledger import ConsentEvent
from consent.models.service_mail import ServiceMail
from consent.models.topics import Topic
from contacts.models import Channel

MOST_DAYS = 90


class RenewalRoundQuerySet(models.QuerySet["RenewalRound"]):
    def running(self) -> Self:
        return self.filter(stopped_at=None)


class RenewalRound(models.Model):
    """A standing order: whoever's yes nears its end, or was given to older words, is asked to renew it.

    `walked_to` is the contact up to whom this pass has come; `next_pass_at` when the next one begins.
    """

    topic = models.ForeignKey(Topic, models.PROTECT, related_name="+", verbose_name=_("topic"))
    channel = models.CharField(_("channel"), max_length=5, choices=Channel)
    days_before = models.PositiveSmallIntegerField(
        _("days before the end"),
        default=30,
        validators=[MinValueValidator(7), MaxValueValidator(MOST_DAYS)],
        help_text=_("People are asked this many days before their permission ends."),
    )
    started_at = models.DateTimeField(_("started"), db_default=Now())
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("started by"),
    )
    stopped_at = models.DateTimeField(_("stopped"), null=True, editable=False)
    walked_to = models.BigIntegerField(default=0, editable=False)
    next_pass_at = models.DateTimeField(db_default=Now(), editable=False)

    objects = RenewalRoundQuerySet.as_manager()

    class Meta:
        verbose_name = _("renewal")
        verbose_name_plural = _("renewals")
        constraints = [
            models.UniqueConstraint(
                fields=["topic", "channel"],
                condition=Q(stopped_at=None),
                name="renewal_one_running_per_topic_and_channel",
            ),
            models.CheckConstraint(
                name="renewal_asks_in_time",
                condition=Q(days_before__gte=7, days_before__lte=MOST_DAYS),
            ),
            models.CheckConstraint(
                name="renewal_channel_known", condition=Q(channel__in=Channel.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic} · {self.get_channel_display()}"


class RenewalRequest(models.Model):
    """One of the two messages, at most, by which a person is asked to renew the yes of `event`."""

    round = models.ForeignKey(RenewalRound, models.PROTECT, related_name="requests")
    event = models.ForeignKey(ConsentEvent, models.PROTECT, related_name="+", db_index=False)
    number = models.PositiveSmallIntegerField()
    asked_at = models.DateTimeField(db_default=Now())
    mail = models.OneToOneField(ServiceMail, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "number"], name="renewal_asked_once_each"),
            models.CheckConstraint(
                name="renewal_asks_twice_at_most", condition=Q(number__in=[1, 2])
            ),
        ]

    def __str__(self) -> str:
        return f"request {self.number} about event {self.event_id}"
