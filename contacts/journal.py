"""Remembers outside the database what a restored backup must not undo: lines that only grow, in files.

A file is named by what it holds, this host and, where it is rotated, the month: each host writes its own,
below `ASSENT_JOURNAL`. No line holds an address in clear.
"""

import errno
import json
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

ERASURES = "erasures"


class Entry(NamedTuple):
    """One line, the offset in bytes where the next begins, and None where it cannot be read."""

    end: int
    said: dict[str, Any] | None


def folder() -> Path:
    """Beside nothing else: keep it apart from the database's backups."""
    path: Path = settings.ASSENT_JOURNAL
    return path


def path(name: str, month: str = "") -> Path:
    """The file of this host; `month` like 2026-11."""
    host = "".join(sign if sign.isalnum() else "-" for sign in socket.gethostname()) or "host"
    return folder() / f"{'-'.join(filter(None, [name, host, month]))}.jsonl"


def files(name: str) -> list[Path]:
    """Every file with this name in the folder, whichever host wrote it."""
    return sorted(folder().glob(f"{name}-*.jsonl"))


def append(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Append lines, on disk before this returns; raises `OSError`.

    Threads that come together share one look at the disk.
    """
    body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not file.exists()
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            body = b"\n" + body  # a crash or a full disk cut the line before
        if os.write(descriptor, body) != len(body):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
        _to_disk.wait(file, descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        _keep_name(file.parent)


def _keep_name(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Disk:
    """Whoever waits while another syncs the same file is served by the next sync, with all others."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._count = threading.Lock()
        self._written: dict[Path, int] = {}
        self._synced: dict[Path, int] = {}

    def wait(self, file: Path, descriptor: int) -> None:
        with self._count:
            mine = self._written[file] = self._written.get(file, 0) + 1
        with self._turn:
            if self._synced.get(file, 0) >= mine:
                return
            newest = self._written[file]
            os.fdatasync(descriptor)
            self._synced[file] = newest


_to_disk = _Disk()


def read(file: Path, *, start: int = 0) -> Iterator[Entry]:
    """The lines from an offset on, as far as the file goes now; nothing where there is no such file."""
    if not file.exists():
        return
    with file.open("rb") as lines:
        rest = os.fstat(lines.fileno()).st_size - start
        lines.seek(start)
        end = start
        while rest > 0 and (line := lines.readline()):
            rest -= len(line)
            end += len(line)
            if line.strip():
                yield Entry(end, _said(line))


def _said(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


# Who was erased


def note(subject: UUID, at: datetime) -> None:
    """Note that somebody was erased, on disk before this returns; raises `OSError`."""
    append(path(ERASURES), [{"subject": str(subject), "erased_at": at.isoformat()}])


def subjects(file: Path | None = None) -> Iterator[UUID]:
    """The pseudonyms of everybody who was erased; a line that a crash cut short is passed over."""
    for each in [file] if file else files(ERASURES):
        for _end, said in read(each):
            try:
                yield UUID((said or {})["subject"])
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
