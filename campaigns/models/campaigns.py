"""Senders, campaigns and what a campaign says in each language."""

from typing import Self

from django.conf import settings
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from consent.models import Topic
from contacts import languages
from contacts.models import Channel, Segment, SentenceField


class Sender(models.Model):
    """Who a campaign comes from, through which transport, and how fast at most."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    from_name = models.CharField(_("from name"), max_length=100)
    from_email = models.EmailField(_("from address"))
    reply_to = models.EmailField(_("reply to"), blank=True, default="")
    bounces_to = models.EmailField(
        _("bounces to"),
        blank=True,
        default="",
        help_text=_(
            "A mailbox that takes additions after a +. Each message then names its own return address,"
            " so that every bounce is told apart. Empty: they come to the from address."
        ),
    )
    transport = models.CharField(
        _("transport"),
        max_length=100,
        default="smtp",
        help_text=_("smtp, or the path of a Django email backend."),
    )
    sms_from = models.CharField(
        _("text messages from"),
        max_length=34,
        blank=True,
        default="",
        validators=[
            RegexValidator(
                r"^(\+[1-9]\d{6,14}|\d{3,8}|MG[0-9a-fA-F]{32}|(?=.*[A-Za-z])[A-Za-z0-9 &_+-]{1,11})$",
                _("Write a number like +33700000000, a short code, or a name of up to 11 letters."),
            )
        ],
        help_text=_(
            "A number, a short code or a name of up to 11 letters. Nobody can answer STOP to a name."
        ),
    )
    per_minute = models.PositiveIntegerField(
        _("messages a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: as fast as the transport takes them."),
    )

    class Meta:
        verbose_name = _("sender")
        verbose_name_plural = _("senders")

    def __str__(self) -> str:
        return self.name


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def due(self) -> Self:
        """Scheduled and its moment has come, by the database's clock: for the first of its people."""
        begins_at = Coalesce("begins_at", "send_at")
        return self.alias(due_at=begins_at).filter(
            state=Campaign.State.SCHEDULED, due_at__lte=Now()
        )


class Campaign(models.Model):
    """One message to a topic's audience on one channel."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        SCHEDULED = "scheduled", _("scheduled")
        SENDING = "sending", _("sending")
        PAUSED = "paused", _("paused")
        HELD = "held", _("held")
        SENT = "sent", pgettext_lazy("campaign", "sent")
        CANCELLED = "cancelled", _("cancelled")

    name = models.CharField(_("name"), max_length=200)
    topic = models.ForeignKey(
        Topic, models.PROTECT, related_name="campaigns", verbose_name=_("topic")
    )
    channel = models.CharField(
        _("channel"),
        max_length=5,
        choices=[
            (Channel.EMAIL.value, Channel.EMAIL.label),
            (Channel.SMS.value, Channel.SMS.label),
        ],
        default=Channel.EMAIL,
    )
    segments = models.ManyToManyField(
        Segment,
        verbose_name=_("to segments"),
        blank=True,
        related_name="campaigns",
        help_text=_("None: everybody."),
    )
    excluded_segments = models.ManyToManyField(
        Segment, verbose_name=_("without segments"), blank=True, related_name="excluded_from"
    )
    sender = models.ForeignKey(
        Sender, models.PROTECT, related_name="campaigns", verbose_name=_("sender")
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State, default=State.DRAFT, editable=False
    )
    state_reason = SentenceField(_("why"), blank=True, default="", editable=False)
    send_at = models.DateTimeField(_("send at"), null=True, blank=True)
    begins_at = models.DateTimeField(_("begins"), null=True, editable=False)
    latest_start_at = models.DateTimeField(
        _("latest start"),
        null=True,
        blank=True,
        help_text=_("Past it, the campaign is held, not sent."),
    )
    timezone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        help_text=_("Of the start, and of people whose own is not known, as in Europe/Paris."),
    )
    is_local_time = models.BooleanField(
        _("at each person's own time"),
        default=False,
        help_text=_(
            "Everybody gets it at the hour of the start on their own clock: it begins where that hour"
            " comes first. Where it is past already, it is sent at once."
        ),
    )
    per_minute = models.PositiveIntegerField(
        _("messages a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("At most, besides what the sender may. Empty: as fast as the sender may."),
    )
    quiet_from = models.TimeField(
        _("quiet from"),
        null=True,
        blank=True,
        help_text=_("On each person's own clock; messages wait until the quiet hours end."),
    )
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    is_measured = models.BooleanField(
        _("count opens and clicks"),
        default=False,
        help_text=_("Only of people who permit it; everybody else gets the plain message."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("author"),
    )
    # Emptied by an approval: what they wrote until then was read by somebody else.
    editors = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("changed since the last approval by"),
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("approved by"),
    )
    approved_digest = models.CharField(
        _("digest of what was approved"), max_length=64, blank=True, default="", editable=False
    )
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True, editable=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("approval asked by"),
    )
    asked_digest = models.CharField(
        _("digest of what approval was asked for"),
        max_length=64,
        blank=True,
        default="",
        editable=False,
    )
    asked_at = models.DateTimeField(_("approval asked"), null=True, blank=True, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True, editable=False)
    started_digest = models.CharField(
        _("digest of what each message says since the start"),
        max_length=64,
        blank=True,
        default="",
        editable=False,
    )
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        permissions = [
            ("send_campaign", _("Can schedule, pause, resume and cancel campaigns")),
            ("approve_campaign", _("Can approve campaigns of others")),
        ]
        constraints = [
            models.CheckConstraint(
                name="campaign_scheduled_has_a_time",
                condition=Q(state__in=["draft", "cancelled"]) | Q(send_at__isnull=False),
            ),
            models.CheckConstraint(
                name="campaign_state_known",
                condition=Q(
                    state__in=[
                        "draft",
                        "scheduled",
                        "sending",
                        "paused",
                        "held",
                        "sent",
                        "cancelled",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="campaign_channel_carries_messages", condition=Q(channel__in=["email", "sms"])
            ),
            models.CheckConstraint(
                name="campaign_measured_is_an_email",
                condition=Q(is_measured=False) | Q(channel="email"),
                violation_error_message=_("Text messages are not measured."),
            ),
            models.CheckConstraint(
                name="campaign_quiet_hours_begin_and_end",
                condition=Q(quiet_from=None, quiet_until=None)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CampaignContent(models.Model):
    """What a campaign says in one language."""

    class Markup(models.TextChoices):
        MARKDOWN = "markdown", _("Markdown")
        MJML = "mjml", _("MJML")

    class Layout(models.TextChoices):
        NEWSLETTER = "newsletter", _("newsletter")
        ANNOUNCEMENT = "announcement", _("announcement")
        DIGEST = "digest", _("digest")
        LETTER = "letter", _("plain letter")

    campaign = models.ForeignKey(
        Campaign, models.CASCADE, related_name="contents", verbose_name=_("campaign")
    )
    language = models.CharField(_("language"), max_length=8, default="en")
    subject = models.CharField(
        _("subject"),
        max_length=250,
        blank=True,
        default="",
        help_text=_("Of an email; a text message has none."),
    )
    preheader = models.CharField(_("preview line"), max_length=250, blank=True, default="")
    body = models.TextField(_("body"))
    markup = models.CharField(_("markup"), max_length=8, choices=Markup, default=Markup.MARKDOWN)
    layout = models.CharField(_("layout"), max_length=12, choices=Layout, default=Layout.NEWSLETTER)

    class Meta:
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "language"], name="content_one_per_language"
            )
        ]

    def __str__(self) -> str:
        return f"{languages.name_of(self.language)} · {self.subject or self.body[:40]}"
