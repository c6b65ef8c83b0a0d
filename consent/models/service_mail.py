"""The outbox of service mail and texts: what a person asked for or has to be told, never marketing."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models import Channel, Contact


class ServiceMailQuerySet(models.QuerySet["ServiceMail"]):
    def due(self) -> Self:
        return self.filter(sent_at=None, given_up_at=None, due_at__lte=Now())


class ServiceMail(models.Model):
    """One confirmation, manage link, receipt, check of a new address or request to renew, by mail or text.

    Links in it are minted at the hand-over.
    """

    class Purpose(models.TextChoices):
        CONFIRMATION = "confirmation", _("confirmation")
        MANAGE_LINK = "manage_link", _("manage link")
        RECEIPT = "receipt", _("receipt")
        NEW_ADDRESS = "new_address", _("new address")
        NEW_NUMBER = "new_number", _("new number")
        RENEWAL = "renewal", _("request to renew")

    contact = models.ForeignKey(
        Contact, models.PROTECT, related_name="service_mails", verbose_name=_("contact")
    )
    channel = models.CharField(
        _("channel"),
        max_length=5,
        choices=[
            (Channel.EMAIL.value, Channel.EMAIL.label),
            (Channel.SMS.value, Channel.SMS.label),
        ],
        default=Channel.EMAIL,
        db_default=Channel.EMAIL,
    )
    purpose = models.CharField(_("purpose"), max_length=12, choices=Purpose)
    language = models.CharField(_("language"), max_length=8)
    details = models.JSONField(_("details"), default=dict)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    due_at = models.DateTimeField(_("due"), db_default=Now())
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    given_up_at = models.DateTimeField(_("given up"), null=True, blank=True)

    objects = ServiceMailQuerySet.as_manager()

    class Meta:
        verbose_name = _("service mail")
        verbose_name_plural = _("service mails")
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(sent_at=None, given_up_at=None),
                name="service_mail_due",
            ),
            models.Index(
                fields=["created_at"], condition=Q(channel="sms"), name="service_text_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} {self.pk}"
