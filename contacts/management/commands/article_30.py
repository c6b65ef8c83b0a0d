"""Prints the record of processing activities."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from contacts import processing


class Command(BaseCommand):
    help = "Print the record of processing activities (GDPR art. 30) from the registered fields."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=["csv", "json"], default="csv")

    def handle(self, *, format: str, **options: Any) -> None:  # noqa: A002 - the option's name
        if format == "json":
            self.stdout.write(json.dumps(processing.whole(), ensure_ascii=False, indent=2))
            return
        self.stdout.write(processing.csv_table(), ending="")
