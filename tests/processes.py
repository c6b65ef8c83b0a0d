"""Real workers and a real beat on the database of the test, in processes of their own."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def environment(**extra: str) -> dict[str, str]:
    """The environment of a process that uses this test's database, Redis, keys and relay."""
    database = connection.settings_dict
    rings = {
        f"ASSENT_{ring.upper()}_KEYS": ",".join(
            f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in keys.items()
        )
        for ring, keys in settings.ASSENT_KEYS.items()
    }
    host = quote(str(database["HOST"]), safe="")
    return {
        **os.environ,
        **rings,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "DATABASE_URL": f"postgresql://{database['USER']}@/{database['NAME']}?host={host}",
        "EMAIL_URL": f"smtp://{settings.EMAIL_HOST}:{settings.EMAIL_PORT}",
        "PUBLIC_URL": settings.PUBLIC_URL,
        "ASSENT_JOURNAL": str(settings.ASSENT_JOURNAL),
        **extra,
    }


def worker_command(name: str, *, pool: str = "prefork", concurrency: int = 2) -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "-A", "config", "worker", "-n", f"{name}@%h"),
        *("-Q", "default,deliver,service,long", "-P", pool, "-c", str(concurrency)),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"),
    ]


def beat_command(folder: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "celery", "-A", "config", "beat", "-l", "WARNING"),
        *("-s", str(folder / "beat"), "--pidfile", str(folder / "beat.pid")),
    ]


@contextmanager
def running(command: Sequence[str], env: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with a group of its own, ended with the block however it ends."""
    process = subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL to the process and everything it forked."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
