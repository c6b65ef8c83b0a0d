"""What text messages need beside the outbox: short links, and which answers were already heard."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class ShortLink(models.Model):
    """A link short enough for a text message. The row alone opens nothing and names nobody.

    `digest` is the SHA-256 of the code in the link, `sealed` the long link's token, encrypted by that code.
    Those that stop never end and are never deleted.
    """

    digest = models.BinaryField(max_length=32, unique=True)
    sealed = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())
    ends_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["ends_at"], condition=Q(ends_at__isnull=False), name="short_link_ending"
            )
        ]

    def __str__(self) -> str:
        return f"short link {self.pk}"


class InboundText(models.Model):
    """A text message that somebody sent us, by the provider's id alone: each is heard once."""

    provider_id = models.CharField(max_length=64, unique=True)
    received_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"inbound text {self.pk}"
