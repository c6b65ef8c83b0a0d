"""Images of messages: re-encoded once, kept under the digest of what they became."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class Image(models.Model):
    """One image. Its files lie in the storage `images`, as `<digest>/<shown width>.<extension>`.

    `widths` are the widths at which a message may show it, in CSS pixels, widest first; each file has
    up to twice as many pixels, for dense screens.
    """

    class Extension(models.TextChoices):
        JPEG = "jpg", "JPEG"
        PNG = "png", "PNG"

    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    alt = models.CharField(
        _("alternative text"),
        max_length=250,
        help_text=_(
            "What people read who do not see the image: say what it shows, in one sentence."
        ),
    )
    extension = models.CharField(_("kind of file"), max_length=3, choices=Extension, editable=False)
    width = models.PositiveIntegerField(_("width"), editable=False)
    height = models.PositiveIntegerField(_("height"), editable=False)
    size = models.PositiveIntegerField(_("bytes"), editable=False)
    widths = ArrayField(models.PositiveSmallIntegerField(), editable=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("uploaded by"),
    )
    created_at = models.DateTimeField(_("uploaded"), db_default=Now())

    class Meta:
        verbose_name = _("image")
        verbose_name_plural = _("images")
        constraints = [
            models.CheckConstraint(name="image_says_what_it_shows", condition=~Q(alt="")),
            models.CheckConstraint(
                name="image_extension_known", condition=Q(extension__in=["jpg", "png"])
            ),
        ]

    def __str__(self) -> str:
        return self.alt

    def path(self, width: int) -> str:
        """Where a width is served: the same for everybody, for ever."""
        return reverse("campaigns:image", args=[self.digest, width, self.extension])

    def url(self, width: int) -> str:
        """The address of a width in a message."""
        return f"{settings.PUBLIC_URL}{self.path(width)}"
