import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from consent import replay
from consent.models import Permission


class Command(BaseCommand):
    help = "Folds the ledger again and puts right every permission that does not follow from it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="change nothing; exit 1 where something differs"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        count = 0
        for difference in replay.differences(repair=not options["check"]):
            count += 1
            self._say(difference, as_json=options["json"])
        if options["json"]:
            summary = {"permissions": Permission.objects.count(), "differences": count}
            self.stdout.write(json.dumps(summary))
        else:
            done = "differ" if options["check"] else "were put right"
            self.stdout.write(f"{Permission.objects.count()} permissions, {count} {done}.")
        if options["check"] and count:
            sys.exit(1)

    def _say(self, difference: replay.Difference, *, as_json: bool) -> None:
        found = difference._asdict() | {"subject": str(difference.subject)}
        if as_json:
            self.stdout.write(json.dumps(found))
        else:
            about = f"{difference.topic or '*'} by {difference.channel}"
            self.stdout.write(f"{difference.subject}: {about} is {difference.kind}")
