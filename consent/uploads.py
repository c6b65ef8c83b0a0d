"""Files that staff upload to be imported: nobody else reads them, and they do not stay.

A batch that was begun goes on in slices, so that no import keeps a worker from other work; one whose
worker was killed is found by its state.
"""

import json
import logging
import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from consent import imports
from consent.models import ImportBatch, RefusedRow
from consent.services.outbox import nudge
from contacts.models import Sentence

LARGEST_BYTES = 512 * 1024 * 1024
KEPT = timedelta(days=7)
SLICE_S = 30

State = ImportBatch.State
logger = logging.getLogger(__name__)


class UploadFailed(imports.ImportRefused):
    """This file could not be stored; is there room left on the disk?"""


def folder() -> Path:
    path: Path = settings.ASSENT_VAR / "imports"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def keep(blocks: Iterable[bytes]) -> Path:
    """Store a file under a name of its own that only this system's user may read."""
    path = folder() / secrets.token_hex(16)
    try:
        with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            for block in blocks:
                file.write(block)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UploadFailed from error
    return path


def keep_columns(path: Path, columns: Sequence[str]) -> None:
    """The names of the columns stay a while longer than the file, for the rows that were refused."""
    names = _names_of(path)
    names.touch(mode=0o600)
    names.write_text(json.dumps(list(columns)))


def columns(batch: ImportBatch) -> list[str]:
    """The names of the columns as they stood in the file; empty where they are not kept any more."""
    try:
        return [str(name) for name in json.loads(_names_of(Path(batch.path)).read_text())]
    except OSError:
        return []


def _names_of(path: Path) -> Path:
    return path.with_suffix(".columns")


@transaction.atomic
def begin(*, batch: ImportBatch) -> None:
    """Have the batch imported in the background; raises `ImportRunning` where that was asked already."""
    waiting = ImportBatch.objects.filter(
        pk=batch.pk, is_upload=True, state__in=[State.DRAFT, State.FAILED]
    )
    if not waiting.update(state=State.RUNNING, failure=""):
        raise imports.ImportRunning
    transaction.on_commit(nudge("consent.run_import", batch_id=batch.pk), robust=True)


def stop(*, batch: ImportBatch) -> None:
    """Have an import end after the rows that are being written: they are not taken; it can go on later.

    Raises `ImportRunning` where it is not running.
    """
    running = ImportBatch.objects.filter(pk=batch.pk, is_upload=True, state=State.RUNNING)
    if not running.update(state=State.FAILED, failure=Sentence.of(imports.ImportStopped())):
        raise imports.ImportRunning(Sentence("This import is not running."))


def work(*, batch_id: int) -> bool:
    """Import for half a minute; whether something is left to do. The batch says how it ended."""
    batch = ImportBatch.objects.filter(pk=batch_id, is_upload=True, state=State.RUNNING).first()
    if batch is None:
        return False
    try:
        imports.run(batch, for_seconds=SLICE_S)
    except imports.ImportRunning:
        return False
    except imports.ImportRefused:
        logger.warning("import %d was refused", batch_id)
        return False
    return batch.state == State.RUNNING


def unfinished() -> list[int]:
    """The batches that were begun; those that are worked on just now refuse a second worker."""
    begun = ImportBatch.objects.filter(is_upload=True, state=State.RUNNING)
    return list(begun.order_by("pk").values_list("pk", flat=True))


def discard(*, batch: ImportBatch) -> None:
    """Forget a file of which nothing was imported; raises `ImportRunning` otherwise."""
    gone, _each = ImportBatch.objects.filter(
        pk=batch.pk, is_upload=True, state=State.DRAFT
    ).delete()
    if not gone:
        raise imports.ImportRunning(Sentence("This import has begun: its report stays."))
    _forget(Path(batch.path))


def discard_old() -> None:
    """Delete what was uploaded a week ago and never begun, or never gone on with."""
    limit = timezone.now() - KEPT
    for batch in ImportBatch.objects.filter(
        is_upload=True, state=State.DRAFT, created_at__lt=limit
    ):
        discard(batch=batch)
    running = ImportBatch.objects.filter(is_upload=True, state=State.RUNNING)
    used = {Path(path) for path in running.values_list("path", flat=True)}
    for path in folder().iterdir():
        is_old = path.stat().st_mtime < limit.timestamp()
        if is_old and path not in used and path.with_suffix("") not in used:
            path.unlink(missing_ok=True)


def has_erased() -> bool:
    """Whether a file is kept in which somebody may be who was erased since."""
    return _with_erased().exists()


def take_out_erased() -> None:
    """Take them out of every such file; out of one that is imported just now the next time."""
    for batch in _with_erased().order_by("pk"):
        if not Path(batch.path).exists():
            _with_erased().filter(pk=batch.pk).update(erased_since=0)
            continue
        with suppress(imports.ImportRunning):
            imports.take_out_erased(batch)


def _with_erased() -> QuerySet[ImportBatch]:
    kept = ImportBatch.objects.filter(is_upload=True, erased_since__gt=0)
    return kept.exclude(state=State.FINISHED)


def erase_refused(*, now: datetime) -> int:
    """Erase the rows that were refused `REFUSED_ROWS_DAYS` ago: they hold what a file said of people.

    How many there were stays with the report. An import that is not over keeps its rows.
    """
    limit = now - timedelta(days=settings.REFUSED_ROWS_DAYS)
    over = ImportBatch.objects.exclude(state=State.RUNNING).alias(
        ended_at=Coalesce("finished_at", "created_at")
    )
    old = RefusedRow.objects.filter(batch__in=over.filter(ended_at__lt=limit))
    return old.delete()[1].get(RefusedRow._meta.label, 0)


def refused_until(batch: ImportBatch) -> datetime:
    """When the rows that were refused are erased."""
    kept: timedelta = timedelta(days=settings.REFUSED_ROWS_DAYS)
    return (batch.finished_at or batch.created_at) + kept


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)
    _names_of(path).unlink(missing_ok=True)
