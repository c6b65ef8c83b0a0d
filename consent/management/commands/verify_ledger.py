import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent import signing, verification


class Command(BaseCommand):
    help = "Finds every sealed consent event that was changed, dropped, added or reordered."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--against",
            type=Path,
            metavar="CHECKPOINT",
            help="an exported checkpoint to hold it against",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = verification.verify(against=self._exported(options["against"]))
        except signing.SigningError as error:
            raise CommandError(f"The exported checkpoint proves nothing: {error}") from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict()))
        else:
            self._say(report)
        if not report.ok:
            sys.exit(1)

    def _exported(self, path: Path | None) -> str | None:
        if path is None:
            return None
        try:
            text = path.read_text()
            signing.from_note(text)
        except (OSError, UnicodeDecodeError, signing.SigningError) as error:
            raise CommandError(f"{path} is not an exported checkpoint: {error}") from error
        return text

    def _say(self, report: verification.Report) -> None:
        for problem in report.problems:
            self.stdout.write(self.style.ERROR(f"{problem.kind} at {problem.position}"))
        self.stdout.write(
            f"{report.events} events, {report.sealed} sealed, {report.unsealed} not sealed yet: "
            + ("nothing was changed." if report.ok else f"{len(report.problems)} problems.")
        )
