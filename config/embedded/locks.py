"""Advisory locks on files: the kernel gives them back even when their holder is killed."""

import fcntl
import os
from pathlib import Path

SHARED, EXCLUSIVE = fcntl.LOCK_SH, fcntl.LOCK_EX


def open_private(path: Path, flags: int = 0) -> int:
    """Open or create a file only its owner may read; it belongs to the owner of its folder."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def take(path: Path, kind: int) -> int | None:
    """Lock until the descriptor is closed here and in every fork; None while it is busy."""
    descriptor = open_private(path)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def wait(path: Path) -> int:
    """Like `take` with EXCLUSIVE, but return only when everybody else has let go."""
    descriptor = open_private(path)
    fcntl.flock(descriptor, EXCLUSIVE)
    return descriptor


def wait_for_folder(path: Path) -> int:
    """Like `wait`, with the folder itself as the lock."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(descriptor, EXCLUSIVE)
    return descriptor


def is_open_on(descriptor: int, path: Path) -> bool:
    """Whether the descriptor is still that file: a daemon closes descriptors, people remove files."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
