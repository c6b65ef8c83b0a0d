from base64 import b64encode
from typing import Any

from django.core.management.base import BaseCommand

from consent import sealing


class Command(BaseCommand):
    help = "Prints the public keys of the ledger, one ID:BASE64 a line, to publish for verifiers."

    def handle(self, *args: Any, **options: Any) -> None:
        for key_id, key in sealing.public_keys().items():
            self.stdout.write(f"{key_id}:{b64encode(key).decode()}")
