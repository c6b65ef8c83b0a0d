from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent import sealing
from consent.models import LedgerCheckpoint


class Command(BaseCommand):
    help = (
        "Seals what is waiting and prints the newest checkpoint, to be kept outside this database."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        sealing.seal()
        newest = LedgerCheckpoint.objects.order_by("-size").first()
        if newest is None:
            raise CommandError("The ledger is empty: there is nothing to sign yet.")
        self.stdout.write(sealing.export(newest), ending="")
