"""Counts that take too long for a page: done by a worker, kept with their age."""

from typing import Any, Self

from django.db import models
from django.db.models import Q


class CountQuerySet(models.QuerySet["Count"]):
    def asked(self) -> Self:
        """Somebody waits for them."""
        return self.filter(asked_at__isnull=False)


class Count(models.Model):
    """The last count of one kind about one thing: `result` is what its counter returned, as JSON."""

    kind = models.CharField(max_length=40)
    about = models.CharField(max_length=200, blank=True, default="")
    asked_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    counted_at = models.DateTimeField(null=True)
    took = models.DurationField(null=True)
    result: Any = models.JSONField(null=True)

    objects = CountQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["kind", "about"], name="count_kept_once")]
        indexes = [
            models.Index(
                fields=["asked_at"], condition=Q(asked_at__isnull=False), name="count_asked"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"
