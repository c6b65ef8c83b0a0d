"""Remembers outside the database who was erased, so that a restored backup cannot bring anybody back."""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings


def path() -> Path:
    """A file beside the keys: keep it apart from the database's backups."""
    return Path(settings.ASSENT_VAR) / "erasures.jsonl"


def note(subject: UUID, at: datetime) -> None:
    """Append a pseudonym, on disk before this returns."""
    line = json.dumps({"subject": str(subject), "erased_at": at.isoformat()})
    descriptor = os.open(path(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def subjects(file: Path | None = None) -> Iterator[UUID]:
    """The pseudonyms in the journal; a line that a crash cut short is passed over."""
    file = file or path()
    if not file.exists():
        return
    for line in file.read_text().splitlines():
        try:
            yield UUID(json.loads(line)["subject"])
        except (ValueError, KeyError, TypeError):
            continue
