"""Who asks, for what, and in which words."""

import hashlib
import json
from datetime import timedelta
from typing import Self

import pgtrigger
from django.conf import settings
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from contacts import countries, languages
from contacts.models import Channel
from contacts.models.triggers import never_deleted


class Organization(models.Model):
    """Who asks for consent; it stands in every footer, wording and receipt."""

    legal_name = models.CharField(_("legal name"), max_length=200)
    postal_address = models.TextField(_("postal address"))
    country = models.CharField(
        _("country"),
        max_length=2,
        validators=[countries.check],
        help_text=_("ISO 3166, two capital letters."),
    )
    contact_name = models.CharField(_("contact"), max_length=200)
    email = models.EmailField(_("email"))
    phone = models.CharField(_("phone"), max_length=40)
    website = models.URLField(_("website"))
    privacy_page = models.URLField(_("privacy page"))
    authority = models.CharField(_("supervisory authority"), max_length=200)
    data_protection_officer = models.TextField(
        _("data protection officer"),
        blank=True,
        default="",
        help_text=_("Name and how to reach them. Where you need none (GDPR art. 37), say so."),
    )
    representative = models.TextField(
        _("representative in the Union"),
        blank=True,
        default="",
        help_text=_("Name and how to reach them, for whoever is outside it (GDPR art. 27)."),
    )
    joint_controllers = models.TextField(
        _("joint controllers"),
        blank=True,
        default="",
        help_text=_("Who decides together with you, and how to reach them (GDPR art. 26)."),
    )

    class Meta:
        verbose_name = _("organization")
        verbose_name_plural = _("organizations")
        constraints = [
            models.CheckConstraint(
                name="organization_named_and_reachable",
                condition=~Q(legal_name="") & ~Q(postal_address="") & ~Q(email=""),
            )
        ]

    def __str__(self) -> str:
        return self.legal_name


class TopicQuerySet(models.QuerySet["Topic"]):
    def published(self) -> Self:
        return self.filter(status=Topic.Status.PUBLISHED)

    def offered(self) -> Self:
        """What the public pages show."""
        return self.published().filter(is_public=True)

    def measuring(self) -> Self:
        """The published one by which people permit that what they open and click is measured, if any."""
        return self.published().filter(covers_measurement=True)


class Topic(models.Model):
    """A per-topic permission list. Its key names it for ever; a retired topic sends nothing."""

    class Use(models.TextChoices):
        MESSAGE = "message", _("messages")
        DATA = "data", _("use of data")

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        PUBLISHED = "published", _("published")
        RETIRED = "retired", _("retired")

    key = models.SlugField(_("key"), max_length=64, unique=True)
    use = models.CharField(_("used for"), max_length=8, choices=Use, default=Use.MESSAGE)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT)
    public_name = models.CharField(_("public name"), max_length=120)
    description = models.TextField(_("description"), blank=True, default="")
    frequency = models.CharField(_("frequency"), max_length=120, blank=True, default="")
    translations = models.JSONField(
        _("translations"),
        default=dict,
        blank=True,
        help_text=_("Language → public_name, description and frequency in that language."),
    )
    offers_email = models.BooleanField(_("offered by email"), default=True)
    offers_sms = models.BooleanField(_("offered by text message"), default=False)
    covers_measurement = models.BooleanField(
        _("permits measurement"),
        default=False,
        help_text=_(
            "Whoever says yes to it lets campaigns count what they open and click. One use of data at most."
        ),
    )
    double_opt_in = models.BooleanField(_("double opt-in"), default=True)
    is_public = models.BooleanField(_("shown on public pages"), default=True)
    position = models.PositiveSmallIntegerField(_("order on pages"), default=0)

    objects = TopicQuerySet.as_manager()

    class Meta:
        verbose_name = _("topic")
        verbose_name_plural = _("topics")
        permissions = [("publish_topic", _("Can publish and retire topics"))]
        triggers = [
            # Whoever saves the whole row may name what stays the same.
            pgtrigger.Protect(
                name="keep_key",
                operation=pgtrigger.UpdateOf("key", "use"),
                condition=pgtrigger.AnyChange("key", "use"),
            ),
            # Nobody's yes is read as a yes to more than its words said.
            pgtrigger.Protect(
                name="keep_what_it_permits",
                operation=pgtrigger.UpdateOf("covers_measurement"),
                condition=pgtrigger.Q(old__status__in=["published", "retired"])
                & pgtrigger.Q(old__covers_measurement__df=pgtrigger.F("new__covers_measurement")),
            ),
            *never_deleted(),
        ]
        constraints = [
            models.CheckConstraint(
                name="topic_published_is_described",
                condition=Q(status="draft")
                | ~Q(public_name="") & ~Q(description="") & ~Q(frequency=""),
            ),
            models.CheckConstraint(
                name="topic_data_use_has_no_channel",
                condition=Q(use="message") | Q(offers_email=False, offers_sms=False),
            ),
            models.CheckConstraint(
                name="topic_measurement_is_a_use_of_data",
                condition=Q(covers_measurement=False) | Q(use="data"),
            ),
            models.UniqueConstraint(
                fields=["covers_measurement"],
                condition=Q(covers_measurement=True, status="published"),
                name="topic_one_permits_measurement",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def channels(self) -> list[Channel]:
        """The channels this topic is offered on; `data` alone for a data-use topic."""
        if self.use == Topic.Use.DATA:
            return [Channel.DATA]
        offered = {Channel.EMAIL: self.offers_email, Channel.SMS: self.offers_sms}
        return [channel for channel, is_offered in offered.items() if is_offered]

    @property
    def name(self) -> str:
        """The public name in the active language."""
        return self.text("public_name")

    def text(self, part: str, language: str | None = None) -> str:
        """`public_name`, `description` or `frequency` in a language, else in the topic's own words."""
        translated = self.translations.get((language or get_language() or "en")[:2], {})
        return translated.get(part) or str(getattr(self, part))


class WordingQuerySet(models.QuerySet["Wording"]):
    def published(self) -> Self:
        return self.filter(published_at__isnull=False)

    def current(self) -> Self:
        """Of each topic, channel and language the newest published version, unless it was found bad."""
        newest = (
            Wording.objects.published()
            .filter(
                topic=models.OuterRef("topic"),
                channel=models.OuterRef("channel"),
                language=models.OuterRef("language"),
            )
            .order_by("-version")
        )
        return self.filter(pk=models.Subquery(newest.values("pk")[:1]), invalidated_at=None)


class Wording(models.Model):
    """The exact words beside one box: one topic, one channel, one language. Published, it never changes."""

    topic = models.ForeignKey(
        Topic, models.PROTECT, related_name="wordings", verbose_name=_("topic")
    )
    channel = models.CharField(_("channel"), max_length=5, choices=Channel)
    language = models.CharField(_("language"), max_length=8)
    version = models.PositiveIntegerField(_("version"))
    text = models.TextField(_("text beside the box"), validators=[MinLengthValidator(20)])
    pre_ticked = models.BooleanField(_("pre-ticked"), default=False, editable=False)
    required = models.BooleanField(_("required"), default=False, editable=False)
    valid_for = models.DurationField(_("valid for"), default=timedelta(days=3 * 365))
    is_material = models.BooleanField(
        _("material change"),
        default=False,
        help_text=_("Older consent needs renewal. Leave off for a typing mistake."),
    )
    digest = models.CharField(  # noqa: DJ001 - drafts have none, and it is unique
        _("digest"), max_length=64, unique=True, null=True, editable=False
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
    published_at = models.DateTimeField(_("published"), null=True, blank=True, editable=False)
    publisher = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("publisher"),
    )

    invalidated_at = models.DateTimeField(_("found bad"), null=True, blank=True, editable=False)

    objects = WordingQuerySet.as_manager()

    class Meta:
        verbose_name = _("wording")
        verbose_name_plural = _("wordings")
        permissions = [("publish_wording", _("Can publish wordings"))]
        triggers = [
            pgtrigger.Protect(
                name="keep_published_words",
                operation=pgtrigger.UpdateOf(
                    "topic_id",
                    "channel",
                    "language",
                    "version",
                    "text",
                    "pre_ticked",
                    "required",
                    "valid_for",
                    "is_material",
                    "digest",
                    "published_at",
                ),
                condition=pgtrigger.Q(old__published_at__isnull=False),
            ),
            pgtrigger.Protect(
                name="keep_published",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__published_at__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["topic", "channel", "language", "version"], name="wording_one_per_version"
            ),
            models.CheckConstraint(name="wording_never_pre_ticked", condition=Q(pre_ticked=False)),
            models.CheckConstraint(name="wording_never_required", condition=Q(required=False)),
            models.CheckConstraint(name="wording_says_something", condition=~Q(text="")),
            models.CheckConstraint(
                name="wording_published_has_digest",
                condition=Q(published_at=None) | Q(digest__isnull=False),
            ),
            models.CheckConstraint(
                name="wording_channel_known", condition=Q(channel__in=Channel.values)
            ),
        ]

    def __str__(self) -> str:
        language = languages.name_of(self.language)
        return f"{self.topic} · {self.get_channel_display()} · {language} · v{self.version}"

    def compute_digest(self) -> str:
        """SHA-256, as hex, over what binds: topic, channel, language, version and the exact text."""
        parts = [self.topic.key, self.channel, self.language, self.version, self.text]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
