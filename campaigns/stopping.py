"""Tells the lanes of this worker, in whichever of its processes, that it is shutting down."""

import mmap

# Shared with every process the worker forks after this module was imported.
_flag = mmap.mmap(-1, 1)


def stop() -> None:
    """Every lane of this worker ends after the message it is at."""
    _flag[0] = 1


def is_stopping() -> bool:
    return _flag[0] == 1
