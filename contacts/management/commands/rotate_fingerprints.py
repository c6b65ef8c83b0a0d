"""Moves the stored fingerprints to a key that was added to the ring."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from contacts import rotation


class Command(BaseCommand):
    help = (
        "Advance every stored fingerprint to the newest key of ASSENT_FINGERPRINT_KEYS. Stop web, workers"
        " and beat, add the key at the end of the ring, run this, start again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            advanced = rotation.rotate()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        for table, rows in advanced.items():
            self.stdout.write(f"  {rows:>9,} fingerprints in {table}")
