"""What follows from the ledger: the permissions of contacts, and the suppression of addresses."""

from typing import Self

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from consent.models.ledger import PUBLISHED, Basis, ConsentEvent, Method
from consent.models.topics import Topic, Wording
from contacts.models import Address, Channel, Contact
from contacts.models.triggers import Reference, names


class PermissionQuerySet(models.QuerySet["Permission"]):
    def granted(self) -> Self:
        return self.filter(state=Permission.State.GRANTED)


class Permission(models.Model):
    """The projection of the ledger: one row per contact, topic and channel.

    A row without a topic is a standing no to everything on that channel.
    """

    class State(models.TextChoices):
        CLAIMED = "claimed", _("claimed, not shown")
        PENDING = "pending", _("waiting for confirmation")
        GRANTED = "granted", _("granted")
        REFUSED = "refused", _("refused")
        WITHDRAWN = "withdrawn", _("withdrawn")
        OBJECTED = "objected", _("objected")
        COMPLAINED = "complained", _("complained")
        REVOKED = "revoked", _("revoked")
        EXPIRED = "expired", _("expired")
        INVALIDATED = "invalidated", _("invalidated")
        ERASED = "erased", _("erased")

    contact = models.ForeignKey(
        Contact,
        models.PROTECT,
        related_name="permissions",
        verbose_name=_("contact"),
        db_index=False,
        db_constraint=False,
    )
    topic = models.ForeignKey(
        Topic,
        models.PROTECT,
        null=True,
        related_name="permissions",
        verbose_name=_("topic"),
        db_index=False,
        db_constraint=False,
    )
    channel = models.CharField(_("channel"), max_length=5, choices=Channel)
    state = models.CharField(_("state"), max_length=11, choices=State)
    stopped = models.BooleanField(
        _("stopped by the person"),
        default=False,
        help_text=_("A no of the person stands: only a fresh act of that person opens this again."),
    )
    since = models.DateTimeField(_("since"))
    fresh_at = models.DateTimeField(
        _("own yes at"),
        null=True,
        blank=True,
        help_text=_(
            "When the person said yes from the address itself; older stops no longer count."
        ),
    )
    valid_until = models.DateTimeField(_("valid until"), null=True, blank=True)
    basis = models.CharField(_("basis"), max_length=16, choices=Basis, blank=True, default="")
    method = models.CharField(_("method"), max_length=14, choices=Method, blank=True, db_default="")
    wording = models.ForeignKey(
        Wording,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("wording"),
        db_index=False,
        db_constraint=False,
        help_text=_("The words of the yes that stands."),
    )
    address = models.ForeignKey(
        Address,
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("address"),
        db_index=False,
        db_constraint=False,
    )
    event = models.ForeignKey(
        ConsentEvent,
        models.PROTECT,
        related_name="+",
        verbose_name=_("event"),
        db_index=False,
        db_constraint=False,
    )

    objects = PermissionQuerySet.as_manager()

    class Meta:
        verbose_name = _("permission")
        verbose_name_plural = _("permissions")
        permissions = [
            ("record_consent", _("Can record a consent given elsewhere")),
            ("record_withdrawal", _("Can record a withdrawal")),
            ("record_basis", _("Can record another basis than consent")),
        ]
        triggers = names(
            Reference("contact_id", "contacts_contact"),
            Reference("topic_id", "consent_topic", is_one_of_few=True),
            Reference("wording_id", "consent_wording", when=PUBLISHED, is_one_of_few=True),
            Reference("address_id", "contacts_address"),
            Reference("event_id", "consent_consentevent"),
            on=(pgtrigger.Insert, pgtrigger.Update),
        )
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "topic", "channel"],
                name="permission_one_per_contact_topic_channel",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="permission_channel_known", condition=Q(channel__in=Channel.values)
            ),
            models.CheckConstraint(
                name="permission_granted_is_not_stopped",
                condition=~Q(state="granted") | Q(stopped=False, topic__isnull=False),
            ),
        ]
        indexes = [
            models.Index(fields=["topic", "channel", "state"], name="permission_by_topic"),
            models.Index(
                F("valid_until"),
                condition=Q(state="granted", valid_until__isnull=False),
                name="permission_expiring",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic or '*'} · {self.get_channel_display()} · {self.get_state_display()}"


class Suppression(models.Model):
    """An address that is not written to, known only by its keyed fingerprint; it survives erasure.

    It is never lifted: a yes that the person gave from that address after `since` is newer than it
    (a legal order has no such exception).
    """

    class Cause(models.TextChoices):
        WITHDRAWN = "withdrawn", _("withdrawn")
        OBJECTED = "objected", _("objected")
        COMPLAINED = "complained", _("complained")
        BOUNCED = "bounced", _("address does not exist")
        LISTED = "listed", _("imported suppression list")
        STAFF = "staff", _("added by staff")
        LEGAL = "legal", _("legal order")
        ERASED = "erased", _("erased")

    channel = models.CharField(_("channel"), max_length=5, choices=Channel)
    fingerprint = models.BinaryField(_("fingerprint"), max_length=32)
    topic = models.ForeignKey(
        Topic,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("topic"),
        db_index=False,
        help_text=_("Empty: every topic."),
    )
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    since = models.DateTimeField(_("since"), db_default=Now())
    event = models.ForeignKey(
        ConsentEvent,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("event"),
        db_index=False,
    )

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints = [
            models.UniqueConstraint(
                fields=["fingerprint", "channel", "topic"],
                nulls_distinct=False,
                name="suppression_one_per_address_and_topic",
            ),
            models.CheckConstraint(
                name="suppression_channel_known",
                condition=Q(channel__in=[Channel.EMAIL, Channel.SMS]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} · {self.get_cause_display()}"
