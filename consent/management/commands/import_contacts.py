"""Imports a file of people with their consent evidence, and says what became of it."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from consent import imports
from consent.imports import mapping
from consent.models import ImportBatch
from contacts.models import StaticList

EXAMPLES = 10


class Command(BaseCommand):
    help = (
        "Import contacts from a CSV or TSV file. Only rows with evidence of consent (date, source, words"
        " shown, topic) may be mailed; nobody who said no comes back. An import that was killed goes on"
        " with --resume and its number."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", help="the file")
        parser.add_argument("--topic", default="", help="topic of rows that name none")
        parser.add_argument(
            "--channel", default="", help="channel of rows that name none: email, sms"
        )
        parser.add_argument(
            "--source", default="", help="where the yes was given: a form, a fair …"
        )
        parser.add_argument(
            "--date", default="", help="when, for rows that do not say, like 2025-03-31"
        )
        parser.add_argument(
            "--wording", default="", help="the words that were shown, or their digest"
        )
        parser.add_argument(
            "--status", default="", help="of rows without one; a no, like unsubscribed, of all"
        )
        parser.add_argument(
            "--evidence", default="", metavar="FILE", help="what shows the yes: the form, a paper …"
        )
        parser.add_argument("--tag", default="", help="tag for these people")
        parser.add_argument("--list", default="", help="name of the static list to put them on")
        parser.add_argument(
            "--suppressions",
            action="store_true",
            help="a list of addresses that must not be written to: nobody becomes a contact",
        )
        parser.add_argument(
            "--encoding", default="", help="instead of the guess: windows-1251, shift_jis, latin1 …"
        )
        parser.add_argument(
            "--language", default="en", help="of people whose own is not in the file"
        )
        parser.add_argument(
            "--region", default="", help="country of phone numbers without one, like FR"
        )
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=TARGET",
            help=f"instead of the guess; targets: {', '.join(mapping.TARGETS)}, field.<key>, or nothing",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would become of the first rows"
        )
        parser.add_argument("--resume", type=int, metavar="NUMBER", help="go on with an import")

    def handle(
        self, *, file: str | None, resume: int | None, dry_run: bool, **options: Any
    ) -> None:
        if resume and dry_run:
            raise CommandError("A dry run begins with a file.")
        try:
            batch = self._resumed(resume) if resume else self._started(file, options)
            self._say_mapping(batch)
            if dry_run:
                self._rehearse(batch)
                return
            self._run(batch)
        except imports.ImportRefused as error:
            raise CommandError(str(error)) from error
        self._report(batch)

    def _run(self, batch: ImportBatch) -> None:
        self.stdout.write(f"Import {batch.pk}: {batch.name}, {batch.lines:,} lines.")
        try:
            imports.run(batch, progress=self._progress)
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. Go on with --resume {batch.pk}.") from None

    @transaction.atomic
    def _started(self, file: str | None, options: dict[str, Any]) -> ImportBatch:
        if not file:
            raise CommandError("Name a file, or an import to --resume.")
        declared = {
            "channel": options["channel"],
            "occurred_at": options["date"],
            "wording": options["wording"],
            "language": options["language"],
            "region": options["region"],
            "tag": options["tag"],
            "list": _list(options["list"]),
        }
        evidence = _content(options["evidence"])
        if options["status"] or options["suppressions"]:
            declared["status"] = "suppressed" if options["suppressions"] else options["status"]
        batch = imports.start(
            path=Path(file),
            source=options["source"],
            topic=options["topic"],
            declared=declared,
            encoding=options["encoding"],
        )
        if evidence:
            imports.keep_evidence(batch, name=Path(options["evidence"]).name, content=evidence)
        if options["map"]:
            chosen = dict(each.rpartition("=")[::2] for each in options["map"])
            imports.remap(batch, mapping=batch.mapping | chosen)
        return batch

    def _resumed(self, number: int) -> ImportBatch:
        batch = ImportBatch.objects.filter(pk=number).first()
        if batch is None:
            raise CommandError(f"There is no import {number}.")
        return batch

    def _say_mapping(self, batch: ImportBatch) -> None:
        self.stdout.write(f"  read as {batch.encoding}")
        for column, target in batch.mapping.items():
            self.stdout.write(f"  {column} → {target or 'not imported'}")
        if status := batch.declared.get("status"):
            self.stdout.write(f"  everybody: {status}")

    def _progress(self, batch: ImportBatch) -> None:
        if self.stderr.isatty():
            done = min(100, 100 * (batch.next_line - 1) // max(batch.lines, 1))
            self.stderr.write(
                f"\r{batch.rows:,} rows, {done} %, {batch.refused:,} refused ", ending=""
            )
            sys.stderr.flush()

    def _rehearse(self, batch: ImportBatch) -> None:
        tally, refused = imports.rehearse(batch)
        batch.delete()
        self.stdout.write(f"Nothing was imported. Of the first {tally.rows} rows:")
        self._say_counts(tally)
        for line, reason in refused[:EXAMPLES]:
            self.stdout.write(f"  line {line}: {reason}")

    def _report(self, batch: ImportBatch) -> None:
        took = (batch.finished_at or timezone.now()) - batch.created_at
        self.stdout.write(f"Imported {batch.rows:,} rows in {took.total_seconds():.1f} s:")
        self._say_counts(batch)
        examples = batch.refused_rows.order_by("line")[:EXAMPLES]
        for refused in examples:
            self.stdout.write(f"  line {refused.line}: {refused.reason}")
        if batch.refused > EXAMPLES:
            self.stdout.write(
                f"  … and {batch.refused - EXAMPLES:,} more, kept with import {batch.pk}"
            )

    def _say_counts(self, counts: ImportBatch | imports.Tally) -> None:
        for count, words in (
            (counts.contacts, "new contacts"),
            (counts.known, "known contacts"),
            (counts.grants, "permissions with evidence: these may be mailed"),
            (counts.claims, "claims without evidence: not mailed"),
            (counts.requests, "requests that were never confirmed: not mailed"),
            (counts.stops, "stops: withdrawn, objected, complained, suppressed"),
            (counts.undeliverable, "addresses that do not exist"),
            (counts.unchanged, "acts that say nothing new"),
            (counts.refused, "rows refused, in whole or in part"),
        ):
            self.stdout.write(f"  {count:>9,} {words}")


def _list(name: str) -> int | str:
    if not name:
        return ""
    found = StaticList.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no list “{name}”.")
    return found.pk


def _content(path: str) -> bytes:
    if not path:
        return b""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from error
    if not 0 < len(content) <= imports.LARGEST_EVIDENCE_BYTES:
        raise CommandError(str(imports.EvidenceTooLarge()))
    return content
