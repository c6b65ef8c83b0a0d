import mailbox
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns import feedback, reports


class Command(BaseCommand):
    help = (
        "Takes bounces (RFC 3464) and complaints (RFC 5965) out of mail: from mailbox files, or one"
        " message from standard input, as a mail server pipes it. It settles deliveries and takes"
        " permission away; taken twice, a report changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", nargs="*", help="mbox files or single messages; without any, standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        counts: Counter[str] = Counter()
        for octets in _messages(options["files"]):
            found = reports.read_mail(octets)
            counts["no report"] += not found
            for report in found:
                counts[report.what if feedback.take(report) else "about no message of ours"] += 1
        said = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()) if count)
        self.stdout.write(said or "no mail")


def _messages(files: list[str]) -> Iterator[bytes]:
    if not files:
        octets = sys.stdin.buffer.read()
        # A mail server puts the line of a mailbox in front of what it pipes.
        yield octets.partition(b"\n")[2] if octets.startswith(b"From ") else octets
    for name in files:
        yield from _in_file(Path(name))


def _in_file(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            is_mailbox = file.read(5) == b"From "
        if not is_mailbox:
            yield path.read_bytes()
            return
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    held = mailbox.mbox(path, create=False)
    try:
        for key in held.iterkeys():
            yield held.get_bytes(key)
    finally:
        held.close()
