"""Makes this process a holder of engines, and starts a supervisor where none runs."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from config.embedded import locks
from config.embedded.engines import Engine, bare_environment
from config.embedded.errors import EngineError
from config.embedded.places import Places
from config.embedded.supervision import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]

# How initdb, PostgreSQL and Redis begin what they die of; "starting up" is only an early question.
COMPLAINT = re.compile(r"(FATAL:|PANIC:|postgres: |initdb: error:|Fatal|Can't ).*(?<!starting up)$")

_guard = threading.RLock()
# The descriptors that make this process (and its forks) a holder, by lock file.
_held: dict[Path, int] = {}


def _renew_guard() -> None:
    global _guard  # noqa: PLW0603 - another thread of our parent may have held it
    _guard = threading.RLock()


os.register_at_fork(after_in_child=_renew_guard)


def hold_engines(places: Places, engines: Sequence[Engine]) -> None:
    """Return when every engine takes work and has a supervisor. Raises EngineError."""
    with _guard:
        for engine in engines:
            engine.find()
        places.create()
        waiting, starts, pause = list(engines), Counter[Engine](), 0.02
        patience = time.monotonic() + PATIENCE_SECONDS
        while waiting := [engine for engine in waiting if not _is_up(engine, starts)]:
            if time.monotonic() > patience:
                raise EngineError(f"{waiting[0].title} does not answer; see {waiting[0].log}.")
            time.sleep(pause)
            pause = min(pause * 1.3, 0.5)


def _is_up(engine: Engine, starts: Counter[Engine]) -> bool:
    if not _is_holder(engine):
        return False
    lock = locks.take(engine.supervisor, locks.EXCLUSIVE)
    if lock is None:
        return engine.answers()
    try:
        # A supervisor may be killed while it starts; one that fails twice has a reason.
        if starts[engine] == 2:
            raise EngineError(_failure(engine))
        starts[engine] += 1
        _start_supervisor(engine, lock)
    finally:
        os.close(lock)
    return False


def _is_holder(engine: Engine) -> bool:
    """Join the holders; not possible while the last supervisor stops the engine."""
    held = _held.get(engine.holders)
    if held is None or not locks.is_open_on(held, engine.holders):
        held = locks.take(engine.holders, locks.SHARED)
        if held is not None:
            _held[engine.holders] = held
    return held is not None


def _start_supervisor(engine: Engine, lock: int) -> None:
    """Start it with the lock handed down: it is the supervisor as long as it lives."""
    if engine.log.exists():
        engine.log.replace(engine.log.with_suffix(".log.1"))
    log = locks.open_private(engine.log, os.O_APPEND)
    search = [str(ROOT), *map(os.path.abspath, sys.path)]
    command = [sys.executable, "-P", "-m", "config.embedded", "supervise"]
    try:
        subprocess.run(
            [*command, engine.name, str(engine.places.var), json.dumps(engine.options), str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=bare_environment() | {"PYTHONPATH": os.pathsep.join(search)},
            pass_fds=[lock],
            start_new_session=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineError(f"The supervisor of {engine.title} did not start ({error}).") from error
    finally:
        os.close(log)


def _failure(engine: Engine) -> str:
    """One sentence out of the log: the supervisor's last words and the engine's last complaint."""
    lines = engine.log.read_text(errors="replace").splitlines()
    ours = [line.removeprefix("assent: ") for line in lines if line.startswith("assent: ")]
    sentence = ours[-1] if ours else f"{engine.title} was stopped while it started."
    complaints = [found[0] for line in lines if (found := COMPLAINT.search(line))]
    cause = f" ({complaints[-1]})" if complaints else ""
    return f"{sentence.removesuffix('.')}{cause}; see {engine.log}."
