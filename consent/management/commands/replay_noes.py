"""Brings back the noes that a restored backup forgot."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from consent import restoring


class Command(BaseCommand):
    help = (
        "Bring back every no in the journal of noes (ASSENT_JOURNAL) that the database lacks, because it"
        " comes from a backup. It only ever takes permission away, and a second time nothing is left to do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--journal", type=Path, help="one file, say of another host, from its beginning"
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="every file from its beginning, not from where it is known",
        )

    def handle(self, *, journal: Path | None, all: bool, **options: Any) -> None:  # noqa: A002 - the option's name
        if journal and not journal.exists():
            raise CommandError(f"There is no file {journal}.")
        replayed = restoring.replay(file=journal, is_whole=all)
        self.stdout.write(
            f"{replayed.acts:,} noes of people and {replayed.stops:,} stops of addresses brought back."
        )
        if replayed.unreadable:
            self.stdout.write(f"{replayed.unreadable:,} lines cannot be read and were passed over.")
        if replayed.unknown_topics:
            names = ", ".join(sorted(replayed.unknown_topics))
            self.stdout.write(
                f"Passed over: noes about topics that are not in this database ({names}). Make a topic anew"
                " under another key, or under this one and run this with --all."
            )
