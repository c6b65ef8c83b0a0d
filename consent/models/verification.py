"""Whether the ledger is whole: who asked, and what was found."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import SentenceField


class LedgerVerificationQuerySet(models.QuerySet["LedgerVerification"]):
    def unfinished(self) -> Self:
        return self.filter(finished_at=None)


class LedgerVerification(models.Model):
    """One reading of the whole ledger, against an exported checkpoint where one was given.

    `report` is what `verification.Report.as_dict` says; `failure` a sentence where there is no report.
    """

    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("asked by"),
    )
    asked_at = models.DateTimeField(_("asked"), db_default=Now())
    against = models.TextField(_("exported checkpoint"), blank=True, default="")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    finished_at = models.DateTimeField(_("finished"), null=True)
    report = models.JSONField(_("report"), default=dict)
    failure = SentenceField(_("failure"), blank=True, default="")

    objects = LedgerVerificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("verification of the ledger")
        verbose_name_plural = _("verifications of the ledger")
        default_permissions = ("view", "add")
        indexes = [
            models.Index(F("id"), condition=Q(finished_at=None), name="verification_unfinished")
        ]

    def __str__(self) -> str:
        return f"verification {self.pk}"

    @property
    def is_whole(self) -> bool:
        return bool(self.report.get("ok"))

    @property
    def problems(self) -> list[dict[str, Any]]:
        return list(self.report.get("problems", []))
