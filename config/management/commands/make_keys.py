from typing import Any

from django.core.management.base import BaseCommand

from config import keys


class Command(BaseCommand):
    help = "Prints a fresh secret key and key rings, as environment variables. Keep them: data needs them."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        for name, value in keys.fresh().items():
            self.stdout.write(f"{name}={value}")
