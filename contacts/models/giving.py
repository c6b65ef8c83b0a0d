"""To whom personal data goes: processors that work for us, and files of people that staff took out."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts import countries
from contacts.models.people import Contact
from contacts.models.segments import Segment


class ProcessorQuerySet(models.QuerySet["Processor"]):
    def in_use(self) -> Self:
        return self.filter(ended_on=None)


class Processor(models.Model):
    """Somebody who gets personal data to work for us (GDPR art. 28), and is told of rights (art. 19)."""

    class Safeguard(models.TextChoices):
        """What lets data leave the European Economic Area (GDPR chapter V)."""

        ADEQUACY = "adequacy", _("adequacy decision (art. 45)")
        CLAUSES = "clauses", _("standard contractual clauses (art. 46)")
        CORPORATE_RULES = "corporate_rules", _("binding corporate rules (art. 47)")
        CODE = "code", _("code of conduct or certification (art. 46)")
        EXCEPTION = "exception", _("exception (art. 49)")

    name = models.CharField(_("name"), max_length=200, unique=True)
    service = models.CharField(_("what it does for us"), max_length=300)
    receives = models.CharField(_("what it gets of people"), max_length=300)
    country = models.CharField(
        _("country"),
        max_length=2,
        blank=True,
        default="",
        validators=[countries.check],
        help_text=_("Where the data goes: ISO 3166, two capital letters."),
    )
    safeguard = models.CharField(
        _("transfer safeguard"),
        max_length=15,
        choices=Safeguard,
        blank=True,
        default="",
        help_text=_(
            "What protects the data outside the European Economic Area. People are told it, too."
        ),
    )
    safeguard_details = models.CharField(
        _("which, and where it can be read"),
        max_length=300,
        blank=True,
        default="",
        help_text=_("The decision, contract or rules and their date; for an exception, its case."),
    )
    contact = models.CharField(
        _("how it is told"),
        max_length=320,
        help_text=_("An address or page where it takes requests of people."),
    )
    ended_on = models.DateField(_("ended"), null=True, blank=True)

    objects = ProcessorQuerySet.as_manager()

    class Meta:
        verbose_name = _("processor")
        verbose_name_plural = _("processors")
        constraints = [
            models.CheckConstraint(
                name="processor_safeguard_known",
                condition=Q(
                    safeguard__in=[
                        "",
                        "adequacy",
                        "clauses",
                        "corporate_rules",
                        "code",
                        "exception",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="processor_exception_is_explained",
                condition=~Q(safeguard="exception") | ~Q(safeguard_details=""),
                violation_error_message=_(
                    "An exception has to be explained: write which case of art. 49 it is, and why."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Export(models.Model):
    """A file of people in clear that somebody asked for, with the reason; fetched once it may be.

    What it holds is asked of `rule` when it is fetched. Nothing of it changes after it was asked for.
    """

    segment = models.ForeignKey(
        Segment,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("segment"),
        help_text=_("Empty: everybody."),
    )
    segment_name = models.CharField(_("people"), max_length=200, blank=True, default="")
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    reason = models.TextField(_("reason"))
    people = models.PositiveIntegerField(_("people when it was asked for"))
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("asked by"),
    )
    asked_at = models.DateTimeField(_("asked"), db_default=Now())
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("approved by"),
    )
    approved_digest = models.CharField(
        _("digest of what was approved"), max_length=64, blank=True, default=""
    )
    fetched_at = models.DateTimeField(_("fetched"), null=True, blank=True)

    class Meta:
        verbose_name = _("export of people")
        verbose_name_plural = _("exports of people")
        permissions = [("approve_export", _("Can approve exports of others"))]
        default_permissions = ("view",)
        constraints = [
            models.CheckConstraint(name="export_says_why", condition=~Q(reason="")),
            models.CheckConstraint(
                name="export_not_approved_by_who_asked",
                condition=Q(approved_by=None) | Q(asked_by=None) | ~Q(approved_by=F("asked_by")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class IdentityView(models.Model):
    """Staff looked at, or took out, the identities of people, and said why."""

    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("staff"),
    )
    contact = models.ForeignKey(
        Contact,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="identity_views",
        verbose_name=_("contact"),
        help_text=_("Empty: a file of many."),
    )
    export = models.ForeignKey(
        Export, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("export")
    )
    people = models.PositiveIntegerField(_("people"), default=1)
    reason = models.TextField(_("reason"))
    viewed_at = models.DateTimeField(_("viewed"), db_default=Now())

    class Meta:
        verbose_name = _("view of identities")
        verbose_name_plural = _("views of identities")
        permissions = [("export_identities", _("Can export identities"))]
        constraints = [
            models.CheckConstraint(name="identity_view_says_why", condition=~Q(reason=""))
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
