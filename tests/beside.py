"""What happens beside a test, and waiting for it for as long as a busy machine may need."""

import threading
import time
from collections.abc import Callable

from django.db import connection

PATIENCE_S = 120
_BLOCKED_BY_US = """
    SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""


def wait_until(condition: Callable[[], object], what: str = "it") -> None:
    """Raises `AssertionError` where it does not come true."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at, f"{what} did not happen in time"
        time.sleep(0.02)


def elsewhere(act: Callable[[], object]) -> threading.Thread:
    """Do it in a thread with a connection of its own."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def somebody_waits_for_us() -> None:
    """Return once somebody waits for a lock that our open transaction holds."""

    def is_waited_for() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(_BLOCKED_BY_US)
            return cursor.fetchone() is not None

    wait_until(is_waited_for, "that somebody waits")
