"""What people ask about their own data, and what the law keeps."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models.people import Contact
from contacts.models.sentences import SentenceField


class SubjectRequestQuerySet(models.QuerySet["SubjectRequest"]):
    def open(self) -> Self:
        return self.filter(state=SubjectRequest.State.OPEN)

    def overdue(self) -> Self:
        return self.open().filter(due_at__lt=Now())


class SubjectRequest(models.Model):
    """One request of a person about their data (GDPR art. 15-21), with the day it has to be answered by."""

    class Kind(models.TextChoices):
        ACCESS = "access", _("access")
        PORTABILITY = "portability", _("portability")
        RECTIFICATION = "rectification", _("rectification")
        RESTRICTION = "restriction", _("restriction")
        OBJECTION = "objection", _("objection")
        ERASURE = "erasure", _("erasure")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        DONE = "done", _("done")
        REFUSED = "refused", _("refused")

    contact = models.ForeignKey(
        Contact, models.PROTECT, related_name="requests", verbose_name=_("contact")
    )
    kind = models.CharField(_("kind"), max_length=13, choices=Kind)
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.OPEN)
    received_at = models.DateTimeField(_("received"), db_default=Now())
    due_at = models.DateTimeField(_("due"))
    extended_because = models.TextField(
        _("takes two more months, because"), blank=True, default="", help_text=_("GDPR art. 12(3)")
    )
    how = SentenceField(_("how it came, and how the person was recognized"), blank=True, default="")
    outcome = SentenceField(_("outcome"), blank=True, default="")
    manifest = models.JSONField(_("rows touched, by table"), default=dict, blank=True)
    handler = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("handled by"),
    )
    settled_at = models.DateTimeField(_("settled"), null=True, blank=True)
    processors_told_at = models.DateTimeField(
        _("processors told"), null=True, blank=True, help_text=_("GDPR art. 19")
    )

    objects = SubjectRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("request of a person")
        verbose_name_plural = _("requests of people")
        constraints = [
            models.CheckConstraint(
                name="request_kind_known",
                condition=Q(
                    kind__in=[
                        "access",
                        "portability",
                        "rectification",
                        "restriction",
                        "objection",
                        "erasure",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="request_settled_has_a_time",
                condition=Q(state="open", settled_at=None)
                | Q(state__in=["done", "refused"], settled_at__isnull=False),
            ),
            models.CheckConstraint(
                name="request_refused_says_why", condition=~Q(state="refused") | ~Q(outcome="")
            ),
        ]
        indexes = [models.Index(F("due_at"), condition=Q(state="open"), name="request_due")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.get_state_display()}"


class HoldQuerySet(models.QuerySet["Hold"]):
    def standing(self) -> Self:
        return self.filter(lifted_at=None)


class Hold(models.Model):
    """Why a person's data may not be erased for now (GDPR art. 17(3)), until somebody lifts it."""

    contact = models.ForeignKey(
        Contact, models.PROTECT, related_name="holds", verbose_name=_("contact")
    )
    reason = models.TextField(
        _("reason"),
        help_text=_("The law or the claim it is kept for. The person can be told this."),
    )
    placed_at = models.DateTimeField(_("placed"), db_default=Now())
    placer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("placed by"),
    )
    lifted_at = models.DateTimeField(_("lifted"), null=True, blank=True)

    objects = HoldQuerySet.as_manager()

    class Meta:
        verbose_name = _("hold")
        verbose_name_plural = _("holds")
        constraints = [
            models.CheckConstraint(name="hold_says_why", condition=~Q(reason="")),
            models.UniqueConstraint(
                fields=["contact"], condition=Q(lifted_at=None), name="hold_one_standing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"
