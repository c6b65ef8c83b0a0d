"""Figures that pages show over time, counted in the background so that no page counts a large table."""

from django.db import models

from consent.models import Topic
from contacts.models import Channel


class AudienceDay(models.Model):
    """How many permissions stood on a topic and channel at the last count of a day (UTC).

    Days before the first count are told from the permissions that stand now, by the day on which each began.
    """

    day = models.DateField()
    topic = models.ForeignKey(Topic, models.CASCADE, related_name="+")
    channel = models.CharField(max_length=5, choices=Channel)
    granted = models.PositiveIntegerField()
    is_counted = models.BooleanField(default=True, db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "topic", "channel"], name="audience_day_counted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.granted}"


class MoveDay(models.Model):
    """How often people said yes, and no or came to an end, on a day (UTC)."""

    day = models.DateField(primary_key=True)
    yes = models.PositiveIntegerField()
    no = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.day}: {self.yes}, {self.no}"
