"""What the erasure of values that lost their reason found, or would find."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class RetentionRunQuerySet(models.QuerySet["RetentionRun"]):
    def unfinished(self) -> Self:
        return self.filter(finished_at=None)

    def newest(self, *, is_dry_run: bool) -> "RetentionRun | None":
        return self.filter(is_dry_run=is_dry_run).order_by("-pk").first()


class RetentionRun(models.Model):
    """One run: `findings` is a list of mappings with `key`, `cause` and `people`, a count."""

    is_dry_run = models.BooleanField(_("only counted"))
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("asked by"),
    )
    asked_at = models.DateTimeField(_("asked"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True)
    findings = models.JSONField(_("findings"), default=list)

    objects = RetentionRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run of retention")
        verbose_name_plural = _("runs of retention")
        default_permissions = ("view", "add")
        indexes = [
            models.Index(F("id"), condition=Q(finished_at=None), name="retention_unfinished")
        ]

    def __str__(self) -> str:
        return f"run of retention {self.pk}"
