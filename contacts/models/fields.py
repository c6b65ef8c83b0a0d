"""The registry of attributes: what is kept about people beyond their name and address, and why."""

from datetime import datetime
from typing import Any, Self

from django.core.validators import MinLengthValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Length, Now
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

models.CharField.register_lookup(Length)
models.TextField.register_lookup(Length)

SHORTEST_JUSTIFICATION = 40


class DataFieldQuerySet(models.QuerySet["DataField"]):
    def in_use(self) -> Self:
        return self.filter(retired_at=None)

    def asked_at_sign_up(self) -> Self:
        return self.filter(is_asked_at_sign_up=True)

    def overdue_for_review(self) -> Self:
        return self.in_use().filter(review_on__lt=Now())


class DataField(models.Model):
    """One attribute that may be kept, with the case for keeping it. `key` and `type` never change."""

    class Type(models.TextChoices):
        TEXT = "text", _("text")
        NUMBER = "number", _("number")
        DATE = "date", _("date")
        CHOICE = "choice", _("choice")
        YES_NO = "yes_no", _("yes or no")
        LIST = "list", _("list")

    class Need(models.TextChoices):
        NEED_TO_KNOW = "need_to_know", _("need to know")
        USEFUL = "useful", _("useful")

    class Basis(models.TextChoices):
        """GDPR art. 6(1)."""

        CONSENT = "consent", _("consent")
        CONTRACT = "contract", _("contract")
        LEGAL_OBLIGATION = "legal_obligation", _("legal obligation")
        LEGITIMATE_INTEREST = "legitimate_interest", _("legitimate interest")

    key = models.CharField(
        _("key"),
        max_length=40,
        unique=True,
        validators=[
            # A query reads __ as a step into a value, and so it does a _ at the end.
            RegexValidator(
                r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
                _("Small letters and digits, a letter first, words joined by one _."),
            )
        ],
    )
    label = models.CharField(_("label"), max_length=100)
    type = models.CharField(_("type"), max_length=6, choices=Type)
    choices = models.JSONField(
        _("choices"), default=list, blank=True, help_text=_("The values of a choice or a list.")
    )
    renamed = models.JSONField(
        _("renamed choices"),
        default=dict,
        blank=True,
        editable=False,
        help_text=_("Former choice → what it became."),
    )
    need = models.CharField(_("need"), max_length=12, choices=Need)
    purpose = models.CharField(_("purpose"), max_length=200, help_text=_("What it is used for."))
    basis = models.CharField(_("legal basis"), max_length=20, choices=Basis)
    justification = models.TextField(
        _("justification"),
        validators=[MinLengthValidator(SHORTEST_JUSTIFICATION)],
        help_text=_("Who needs it, for which decision, and why less would not do."),
    )
    owner = models.CharField(_("owner"), max_length=100)
    retention_days = models.PositiveIntegerField(
        _("kept for (days)"),
        validators=[MinValueValidator(1)],
        help_text=_("Counted from the last sign of life of the person."),
    )
    topic_key = models.SlugField(
        _("depends on the data-use topic"),
        max_length=64,
        blank=True,
        default="",
        help_text=_("Erased where the person does not permit this use of data."),
    )
    is_asked_at_sign_up = models.BooleanField(
        _("asked at sign-up"),
        default=False,
        help_text=_("Shown as optional, with its purpose; kept once the person confirms."),
    )
    translations = models.JSONField(
        _("translations"),
        default=dict,
        blank=True,
        help_text=_(
            "Language → label, purpose and choices (value → words) as people read them there."
        ),
    )
    review_on = models.DateField(_("review on"))
    created_at = models.DateTimeField(_("created"), db_default=Now())
    retired_at = models.DateTimeField(_("retired"), null=True, blank=True)
    used_in_segment_at = models.DateTimeField(
        _("last used in a segment"), null=True, blank=True, editable=False
    )
    used_in_template_at = models.DateTimeField(
        _("last used in a message"), null=True, blank=True, editable=False
    )
    used_in_import_at = models.DateTimeField(
        _("last written by an import"), null=True, blank=True, editable=False
    )

    objects = DataFieldQuerySet.as_manager()

    class Meta:
        verbose_name = _("field")
        verbose_name_plural = _("fields")
        constraints = [
            models.CheckConstraint(
                name="field_key_is_a_name", condition=Q(key__regex=r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$")
            ),
            models.CheckConstraint(
                name="field_type_known",
                condition=Q(type__in=["text", "number", "date", "choice", "yes_no", "list"]),
            ),
            models.CheckConstraint(
                name="field_need_known", condition=Q(need__in=["need_to_know", "useful"])
            ),
            models.CheckConstraint(
                name="field_basis_known",
                condition=Q(
                    basis__in=["consent", "contract", "legal_obligation", "legitimate_interest"]
                ),
            ),
            models.CheckConstraint(
                name="field_is_justified",
                condition=Q(justification__length__gte=SHORTEST_JUSTIFICATION)
                & ~Q(purpose="")
                & ~Q(owner="")
                & Q(retention_days__gt=0),
            ),
            models.CheckConstraint(
                name="field_consent_names_its_topic",
                condition=~Q(basis="consent") | ~Q(topic_key=""),
            ),
            models.CheckConstraint(
                name="field_choice_has_choices", condition=~Q(type="choice") | ~Q(choices=[])
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def uses(self) -> tuple[datetime | None, ...]:
        """When it was last used in a segment, named by a message, written by an import."""
        return (self.used_in_segment_at, self.used_in_template_at, self.used_in_import_at)

    def text(self, part: str) -> str:
        """`label` or `purpose` in the active language, else in the field's own words."""
        return str(self._translated().get(part) or getattr(self, part))

    def choice_text(self, choice: str) -> str:
        """What people read for one of the `choices`; the value that is kept never changes with it."""
        return str(self._translated().get("choices", {}).get(choice) or choice)

    def _translated(self) -> dict[str, Any]:
        return dict(self.translations.get((get_language() or "en")[:2], {}))
