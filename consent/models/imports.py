"""Imports: what a file claimed, and what of it could be shown."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import SentenceField


class ImportBatch(models.Model):
    """One file with its declared source and evidence; `next_line` is where a killed import goes on.

    `declared` is what the file as a whole is said to show: topic, channel, occurred_at, wording,
    acquisition, status, and the tag and static list for its people. It is kept once, here; the
    evidence of an event names its batch and line. `erased_since` counts the people who were erased since
    they were looked for in the file; once they were, `kept_digest` is the SHA-256 of what is kept of it.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        FAILED = "failed", _("failed")

    name = models.CharField(_("file name"), max_length=255)
    path = models.TextField(_("file"), blank=True, default="", editable=False)
    is_upload = models.BooleanField(default=False, editable=False)
    file_digest = models.CharField(_("SHA-256 of the file"), max_length=64)
    kept_digest = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    erased_since = models.PositiveIntegerField(db_default=0, editable=False)
    encoding = models.CharField(_("encoding"), max_length=20, default="utf-8")
    delimiter = models.CharField(_("delimiter"), max_length=1, default=",")
    lines = models.BigIntegerField(_("lines"), default=0)
    source = models.TextField(_("declared source"), blank=True, default="")
    declared = models.JSONField(_("declared"), default=dict, blank=True)
    mapping = models.JSONField(_("mapping"), default=dict)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT)
    next_line = models.BigIntegerField(_("next line"), default=2)
    rows = models.BigIntegerField(_("rows"), default=0)
    contacts = models.BigIntegerField(_("new contacts"), default=0)
    known = models.BigIntegerField(_("known contacts"), default=0)
    grants = models.BigIntegerField(_("grants"), default=0)
    claims = models.BigIntegerField(_("claims"), default=0)
    requests = models.BigIntegerField(_("unconfirmed requests"), default=0)
    stops = models.BigIntegerField(_("stops"), default=0)
    unchanged = models.BigIntegerField(_("nothing new"), default=0)
    undeliverable = models.BigIntegerField(_("undeliverable"), default=0)
    refused = models.BigIntegerField(_("refused rows"), default=0)
    failure = SentenceField(_("failure"), blank=True, default="")
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
        constraints = [
            models.CheckConstraint(
                name="import_state_known",
                condition=models.Q(state__in=["draft", "running", "finished", "failed"]),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ImportEvidence(models.Model):
    """What shows how the people of a file said yes: the form as it stood, the paper, a contract.

    Kept once for the whole file, in the database, so that it is saved and brought back with the ledger.
    """

    batch = models.OneToOneField(
        ImportBatch,
        models.CASCADE,
        primary_key=True,
        related_name="evidence",
        verbose_name=_("import"),
    )
    name = models.CharField(_("file name"), max_length=255)
    digest = models.CharField(_("SHA-256 of the file"), max_length=64)
    content = models.BinaryField(_("content"))
    kept_at = models.DateTimeField(_("kept since"), db_default=Now())

    class Meta:
        verbose_name = _("evidence of an import")
        verbose_name_plural = _("evidence of imports")

    def __str__(self) -> str:
        return self.name


class RefusedRow(models.Model):
    """A row that was not taken, or not all of it: its line, the row as it stood, and the reason."""

    batch = models.ForeignKey(
        ImportBatch, models.CASCADE, related_name="refused_rows", verbose_name=_("import")
    )
    line = models.BigIntegerField(_("line"))
    row = models.JSONField(_("row"))
    reason = SentenceField(_("reason"))

    class Meta:
        verbose_name = _("refused row")
        verbose_name_plural = _("refused rows")
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="refused_row_one_per_line")
        ]

    def __str__(self) -> str:
        return f"{_('line')} {self.line}"


class RefusedAddress(models.Model):
    """An address in a refused row, by its fingerprint, so that erasing a person finds the row."""

    row = models.ForeignKey(
        RefusedRow, models.CASCADE, related_name="addresses", verbose_name=_("refused row")
    )
    fingerprint = models.BinaryField(_("fingerprint"), max_length=32)

    class Meta:
        verbose_name = _("address in a refused row")
        verbose_name_plural = _("addresses in refused rows")
        indexes = [models.Index(fields=["fingerprint"], name="refused_row_of_address")]

    def __str__(self) -> str:
        return str(self.row)
