"""Let a role of the database, for reports, read everything but what names people."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config import reporting


class Command(BaseCommand):
    help = (
        "Grants an existing role of the database what reports need, and takes everything else from it: it"
        " reads pseudonyms, permissions, the ledger and deliveries, never the vault or fingerprints."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reporting", metavar="ROLE", required=True)

    def handle(self, *_args: Any, **options: Any) -> None:
        role = options["reporting"]
        try:
            tables = reporting.grant(role)
        except reporting.RoleError as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{role} may read {tables} tables, and nothing else.")
