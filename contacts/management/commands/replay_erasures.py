"""Erases again whom a restored backup brought back."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from contacts import rights


class Command(BaseCommand):
    help = "Erase again everybody in the journal of erasures (below ASSENT_JOURNAL) who is in the database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--journal", type=Path, help="one file instead of all in the folder")

    def handle(self, *, journal: Path | None, **options: Any) -> None:
        if journal and not journal.exists():
            raise CommandError(f"There is no file {journal}.")
        people = rights.returned(journal)
        try:
            for contact in people:
                rights.erase(contact=contact, is_again=True)
        except rights.JournalUnwritable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(people)} people erased again.")
