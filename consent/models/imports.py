"""Imports: what a file claimed, and what of it could be shown."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ImportBatch(models.Model):
    """One file with its declared source and evidence; `next_line` is where a killed import goes on."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        FAILED = "failed", _("failed")

    name = models.CharField(_("file name"), max_length=255)
    file_digest = models.CharField(_("SHA-256 of the file"), max_length=64)
    source = models.TextField(_("declared source"), blank=True, default="")
    mapping = models.JSONField(_("mapping"), default=dict)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT)
    next_line = models.BigIntegerField(_("next line"), default=2)
    contacts = models.BigIntegerField(_("contacts"), default=0)
    grants = models.BigIntegerField(_("grants"), default=0)
    stops = models.BigIntegerField(_("stops"), default=0)
    refused = models.BigIntegerField(_("refused rows"), default=0)
    failure = models.TextField(_("failure"), blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("staff"),
    )

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")

    def __str__(self) -> str:
        return self.name


class RefusedRow(models.Model):
    """A row that was not taken: its line, the row as it stood, and the reason."""

    batch = models.ForeignKey(
        ImportBatch, models.CASCADE, related_name="refused_rows", verbose_name=_("import")
    )
    line = models.BigIntegerField(_("line"))
    row = models.JSONField(_("row"))
    reason = models.TextField(_("reason"))

    class Meta:
        verbose_name = _("refused row")
        verbose_name_plural = _("refused rows")
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="refused_row_one_per_line")
        ]

    def __str__(self) -> str:
        return f"line {self.line}"
