"""What is sent: senders, campaigns with their content per language, and one delivery per contact."""

from typing import Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from consent.models import ConsentEvent, Topic
from contacts.models import Address, Channel, Contact, Segment


class Sender(models.Model):
    """Who a campaign comes from, through which transport, and how fast at most."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    from_name = models.CharField(_("from name"), max_length=100)
    from_email = models.EmailField(_("from address"))
    reply_to = models.EmailField(_("reply to"), blank=True, default="")
    transport = models.CharField(
        _("transport"), max_length=40, default="smtp",
        help_text=_("smtp, or the path of a Django email backend."),
    )
    per_minute = models.PositiveIntegerField(
        _("messages a minute"), null=True, blank=True, validators=[MinValueValidator(1)],
        help_text=_("Empty: as fast as the transport takes them."),
    )

    class Meta:
        verbose_name = _("sender")
        verbose_name_plural = _("senders")

    def __str__(self) -> str:
        return self.name


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def due(self) -> Self:
        """Scheduled and its moment has come, by the database's clock."""
        return self.filter(state=Campaign.State.SCHEDULED, send_at__lte=Now())


class Campaign(models.Model):
    """One message to a topic's audience on one channel."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        SCHEDULED = "scheduled", _("scheduled")
        SENDING = "sending", _("sending")
        PAUSED = "paused", _("paused")
        HELD = "held", _("held")
        SENT = "sent", _("sent")
        CANCELLED = "cancelled", _("cancelled")

    name = models.CharField(_("name"), max_length=200)
    topic = models.ForeignKey(
        Topic, models.PROTECT, related_name="campaigns", verbose_name=_("topic")
    )
    channel = models.CharField(
        _("channel"), max_length=5,
        choices=[(Channel.EMAIL.value, Channel.EMAIL.label), (Channel.SMS.value, Channel.SMS.label)],
        default=Channel.EMAIL,
    )
    segments = models.ManyToManyField(
        Segment, verbose_name=_("to segments"), blank=True, related_name="campaigns",
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
    state_reason = models.TextField(_("why"), blank=True, default="", editable=False)
    send_at = models.DateTimeField(_("send at"), null=True, blank=True)
    latest_start_at = models.DateTimeField(
        _("latest start"), null=True, blank=True, help_text=_("Past it, the campaign is held, not sent.")
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False,
        related_name="+", verbose_name=_("author"),
    )
    started_at = models.DateTimeField(_("started"), null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True, editable=False)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        permissions = [
            ("send_campaign", _("Can schedule, pause, resume and cancel campaigns")),
        ]
        constraints = [
            models.CheckConstraint(
                name="campaign_scheduled_has_a_time",
                condition=Q(state__in=["draft", "cancelled"]) | Q(send_at__isnull=False),
            ),
            models.CheckConstraint(
                name="campaign_state_known",
                condition=Q(
                    state__in=["draft", "scheduled", "sending", "paused", "held", "sent", "cancelled"]
                ),
            ),
            models.CheckConstraint(
                name="campaign_channel_carries_messages", condition=Q(channel__in=["email", "sms"])
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
    subject = models.CharField(_("subject"), max_length=250)
    preheader = models.CharField(_("preview line"), max_length=250, blank=True, default="")
    body = models.TextField(_("body"))
    markup = models.CharField(_("markup"), max_length=8, choices=Markup, default=Markup.MARKDOWN)
    layout = models.CharField(_("layout"), max_length=12, choices=Layout, default=Layout.NEWSLETTER)

    class Meta:
        verbose_name = _("content")
        verbose_name_plural = _("contents")
        constraints = [
            models.UniqueConstraint(fields=["campaign", "language"], name="content_one_per_language")
        ]

    def __str__(self) -> str:
        return f"{self.language}: {self.subject}"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def pending(self) -> Self:
        return self.filter(state=Delivery.State.PENDING)

    def in_flight(self) -> Self:
        """Claimed for a hand-over whose outcome is not recorded yet."""
        return self.filter(state=Delivery.State.CLAIMED)

    def unknown(self) -> Self:
        return self.filter(state=Delivery.State.UNKNOWN)


class Delivery(models.Model):
    """One campaign to one contact: what was decided, by which consent event, and what became of it."""

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        CLAIMED = "claimed", _("being handed over")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        WITHHELD = "withheld", _("withheld")
        UNKNOWN = "unknown", _("unknown")
        DELIVERED = "delivered", _("delivered")
        BOUNCED = "bounced", _("bounced")
        COMPLAINED = "complained", _("complained")

    campaign = models.ForeignKey(
        Campaign, models.PROTECT, related_name="deliveries", verbose_name=_("campaign"), db_index=False
    )
    contact = models.ForeignKey(
        Contact, models.PROTECT, related_name="deliveries", verbose_name=_("contact")
    )
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(_("reason"), max_length=24, blank=True, default="")
    event = models.ForeignKey(
        ConsentEvent, models.PROTECT, null=True, related_name="+", verbose_name=_("consent event"),
        db_index=False,
    )
    address = models.ForeignKey(
        Address, models.PROTECT, null=True, related_name="+", verbose_name=_("address"), db_index=False
    )
    lane = models.SmallIntegerField(_("lane"), default=0)
    unit = models.UUIDField(_("unit"), null=True)
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0)
    due_at = models.DateTimeField(_("due"), null=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    handed_over_at = models.DateTimeField(_("handed over"), null=True)
    settled_at = models.DateTimeField(_("settled"), null=True)
    provider_id = models.CharField(_("provider's id"), max_length=255, blank=True, default="")
    diagnostic = models.TextField(_("diagnostic"), blank=True, default="")

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "contact"], name="delivery_one_per_campaign_and_contact"
            ),
            models.CheckConstraint(
                name="delivery_handed_over_names_its_reason",
                condition=Q(state__in=["pending", "withheld"])
                | Q(event__isnull=False, address__isnull=False, attempt__gt=0),
            ),
            models.CheckConstraint(
                name="delivery_withheld_names_its_reason",
                condition=~Q(state="withheld") | ~Q(reason=""),
            ),
        ]
        indexes = [
            models.Index(
                fields=["campaign", "lane", "id"],
                condition=Q(state="pending"),
                name="delivery_pending",
            ),
            models.Index(
                F("lease_until"), condition=Q(state="claimed"), name="delivery_claimed"
            ),
            models.Index(
                fields=["campaign", "state"],
                condition=Q(state__in=["failed", "withheld", "unknown"]),
                name="delivery_not_sent",
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"


class Heartbeat(models.Model):
    """When a part of the machinery last did its work, by the database's clock."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
