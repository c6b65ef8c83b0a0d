"""The journal of noes as the database knows it: how far it holds each file, and what is not in any yet."""

from django.db import models
from django.db.models.functions import Now


class JournalMark(models.Model):
    """Everything in a file of the journal before this offset in bytes is in this database."""

    file = models.CharField(max_length=255, primary_key=True)
    size = models.BigIntegerField()
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.file}: {self.size}"


class UnwrittenNo(models.Model):
    """A no that was taken while the journal could not be written: the line it will get."""

    line = models.JSONField()
    since = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"unwritten no {self.pk}"
