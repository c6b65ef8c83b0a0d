"""How long an import takes, beside a plain COPY of the very rows it wrote into the same indexed tables.

    python -m tests.benchmarks.imports --rows 100000 [--json]

Each row is a person with two consent grants and their evidence. Engines of its own in a temporary folder.
"""

import csv
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.stage import run

TABLES = """contacts_contact contacts_identity contacts_address consent_consentevent
    consent_consentevidence consent_permission""".split()
COLUMNS = """email first_name last_name language created status topic channel consent_date source
    wording""".split()
WORDS = "Yes, send me your news by email. I can stop at any time."


def write_file(path: Path, rows: int) -> None:
    """People with one of 2,000 domains, a date of their own and two topics."""
    dice = random.Random(7)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(rows):
            day = f"{dice.randint(2024, 2025)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
            at = f"{day}T{dice.randint(0, 23):02}:{dice.randint(0, 59):02}:{dice.randint(0, 59):02}+00:00"
            writer.writerow(
                (
                    f"reader.{number}@host{dice.randint(1, 2000)}.example",
                    f"Zoé{number}",
                    "Martin",
                    dice.choice(("en", "fr")),
                    day,
                    "subscribed",
                    "product-news;offers",
                    "email",
                    at,
                    "Sign-up form on lumen.example",
                    WORDS,
                )
            )


def measure(rows: int) -> dict[str, float]:
    """Seconds and megabytes, under the names the command prints; needs a stage."""
    from django.conf import settings

    from consent import imports
    from consent.models import ConsentEvent
    from contacts.models import Contact
    from tests import make

    make.topic("product-news")
    make.topic("offers")
    folder = Path(settings.ASSENT_VAR)
    write_file(folder / "people.csv", rows)
    began = time.monotonic()
    batch = imports.run(imports.start(path=folder / "people.csv"))
    seconds = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert (batch.contacts, batch.grants, batch.refused) == (rows, 2 * rows, 0), batch.__dict__
    copied = copy_again(folder)
    assert Contact.objects.count() == rows
    assert ConsentEvent.objects.count() == 2 * rows
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "copy_seconds": round(copied, 2),
        "ratio_to_copy": round(seconds / copied, 2),
        "peak_memory_mb": round(memory, 1),
    }


def copy_again(folder: Path) -> float:
    """Take the rows out, empty the tables, and put the rows back with one COPY a table."""
    import pgtrigger
    from django.db import connection, transaction

    with connection.cursor() as cursor:
        for table in TABLES:
            with (
                (folder / table).open("wb") as file,
                cursor.copy(f"COPY {table} TO STDOUT") as copy,
            ):
                for block in copy:
                    file.write(block)
    with transaction.atomic(), pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(TABLES)}, consent_unsealed CASCADE")
    took = 0.0
    for table in TABLES:
        began = time.monotonic()
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for block in _blocks(folder / table):
                copy.write(block)
        took += time.monotonic() - began
    return took


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 18):
            yield block


if __name__ == "__main__":
    run(measure, size="rows", default=100_000, about=__doc__)
