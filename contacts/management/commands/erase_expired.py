"""Erases values that have lost their reason."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from contacts import retention


class Command(BaseCommand):
    help = (
        "Erase values that expired, whose use is not permitted, that belong to no registered field or are no"
        " choice of theirs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be erased")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        findings = retention.erase_expired(dry_run=dry_run)
        for finding in findings:
            self.stdout.write(f"  {finding.people:>9,} {finding.key}: {finding.cause.label}")
        if dry_run:
            self.stdout.write("Nothing was erased.")
        elif not findings:
            self.stdout.write("Nothing to erase.")
