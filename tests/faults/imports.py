"""Imports a list while the importer and the database are killed, and compares what is there with the file.

`python -m tests.faults.imports [--rows 40000] [--kills 12] [--json]`

A quarter of the rows are withdrawals. Killed with SIGKILL is the importer, crashed (SIGQUIT) is PostgreSQL,
in turns and at random moments; whoever is left goes on. Lost and doubled are people, acts and stops; after
each crash the database must hold every no that the journal holds. Exit code 1 where a promise broke.
"""

import argparse
import csv
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks import stage

WORDS = "Yes, send me your news by email. I can stop at any time."
HOLD_S = (0.3, 1.2)
BLOCK = 500


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with stage.open_stage({}) as here:
        found = _import(here, options.rows, options.kills)
    print(
        json.dumps(found) if options.json else "  ".join(f"{key} {n}" for key, n in found.items())
    )
    sys.exit(any(found[key] for key in ("lost", "doubled", "noes_missing")))


def _import(here: stage.Stage, rows: int, kills: int) -> dict[str, int]:
    from consent import imports
    from tests import make

    make.topic()
    path = here.folder / "people.csv"
    _write(path, rows)
    batch = imports.start(path=path)
    dice = random.Random(11)
    killed = missing = 0
    while True:
        importer = _importer(here, batch.pk)
        if killed == kills:
            importer.wait()
        elif not _ends_within(importer, dice.uniform(*HOLD_S)):
            if killed % 2:
                here.signal_engine("postgres", signal.SIGQUIT)
                importer.wait(stage.PATIENCE_S)
            else:
                stage.kill_tree(importer.pid)
                importer.wait()
            killed += 1
            missing += stage.again(_noes_missing)
            continue
        if stage.again(lambda: _has_finished(batch.pk)):
            return {"rows": rows, "kills": killed} | _compare(rows) | {"noes_missing": missing}


def _write(path: Path, rows: int) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "status", "topic", "consent_date", "source", "wording"])
        for number in range(rows):
            status = "unsubscribed" if _is_no(number) else "subscribed"
            address = f"reader.{number}@example.org"
            writer.writerow([address, status, "product-news", "2025-03-31", "A fair", WORDS])


def _is_no(number: int) -> bool:
    """In blocks, so that there are transactions with and without a no."""
    return number // BLOCK % 4 == 3


def _importer(here: stage.Stage, number: int) -> "subprocess.Popen[bytes]":
    """Small transactions, so that there are many moments to be killed at."""
    code = (
        "import django; django.setup()\n"
        "from consent import imports; from consent.models import ImportBatch\n"
        f"batch = ImportBatch.objects.get(pk={number})\n"
        "imports.run(batch, batch_rows=200, progress=lambda _batch: print('.', flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=stage.ROOT, env=here.environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    # It has begun to write, or it ended because the one before is not gone from the database yet.
    if process.stdout:
        process.stdout.readline()
    return process


def _ends_within(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Reads on meanwhile, so that it never waits for a reader."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    time.sleep(0.1)
    return True


def _has_finished(number: int) -> bool:
    from consent.models import ImportBatch

    return ImportBatch.objects.get(pk=number).state == ImportBatch.State.FINISHED


def _noes_missing() -> int:
    from consent import restoring

    try:
        restoring.check()
    except restoring.NoesMissing:
        return 1
    return 0


def _compare(rows: int) -> dict[str, int]:
    from django.db.models import Count

    from consent.models import ConsentEvent, Permission, Suppression
    from contacts.models import Contact, Identity

    noes = sum(map(_is_no, range(rows)))
    yeses = rows - noes
    there = {
        "people": (Contact.objects.count(), rows),
        "named": (Identity.objects.values("email").distinct().count(), rows),
        "given": (ConsentEvent.objects.filter(kind="given").count(), yeses),
        "withdrawn": (ConsentEvent.objects.filter(kind="withdrawn").count(), noes),
        "permitted": (Permission.objects.filter(state="granted", stopped=False).count(), yeses),
        "stopped": (Permission.objects.filter(stopped=True).count(), noes),
        "suppressed": (Suppression.objects.count(), noes),
    }
    twice = ConsentEvent.objects.values("subject").annotate(acts=Count("id")).filter(acts__gt=1)
    return {
        "lost": sum(max(0, wanted - found) for found, wanted in there.values()),
        "doubled": sum(max(0, found - wanted) for found, wanted in there.values()) + twice.count(),
    }


if __name__ == "__main__":
    main()
