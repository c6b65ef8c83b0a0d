"""What the keys of this installation must be able to compute."""

from django.db import models
from django.db.models.functions import Now


class KeyCheck(models.Model):
    """What each key id must be able to compute, so that a wrong key stops the start."""

    ring = models.CharField(max_length=16)
    key_id = models.CharField(max_length=16)
    check_value = models.BinaryField(max_length=32)
    position = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["ring", "key_id"], name="key_check_one_per_id")
        ]

    def __str__(self) -> str:
        return f"{self.ring} key {self.key_id}"
