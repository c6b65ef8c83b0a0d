"""The supervisor: parent of one engine, which stops it when its last holder is gone."""

import os
import signal
import subprocess
import sys
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any, Literal

from config.embedded import locks
from config.embedded.engines import Engine, run_as
from config.embedded.errors import EngineError

# Long enough for a recovery after a crash or a last save; the next step is rougher.
PATIENCE_SECONDS = 900
STOP_SECONDS = 120

Event = Literal["engine ended", "no holder left", "told to stop"]


class Supervisor:
    """Runs until the last holder is gone, it is told to stop, or the engine cannot run."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.child: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.has_answered = False

    def run(self) -> None:
        """Raise EngineError where the engine does not come up."""
        signal.signal(signal.SIGTERM, lambda *_: self.events.put("told to stop"))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._start()
        threading.Thread(target=self._await_holders, daemon=True).start()
        while (event := self._next_event()) == "engine ended":
            if self.child:
                self.child.wait()
            if not self.has_answered:
                raise EngineError(f"{self.engine.title} did not start.")
            self._start()
        self._stop()

    def _next_event(self) -> Event:
        while not self.has_answered:
            try:
                return self.events.get(timeout=0.5)
            except Empty:
                self.has_answered = self.engine.answers()
        return self.events.get()

    def _start(self) -> None:
        """Start the engine, or adopt the one that a killed supervisor left behind."""
        lock = self._free_or_listening()
        if lock is None:
            self.child, self.has_answered = None, True
        else:
            self.child = subprocess.Popen(
                self.engine.prepare(), stdin=subprocess.DEVNULL, pass_fds=[lock],
                **_typed(run_as(self.engine.places)),
            )  # fmt: skip
            # The engine's copy of the descriptor keeps the lock as long as one of its processes lives.
            os.close(lock)
            self.pid, self.has_answered = self.child.pid, False
        threading.Thread(target=self._await_end, daemon=True).start()

    def _free_or_listening(self) -> int | None:
        """The lock of an engine that does not run, or None once `pid` is the engine that does."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < patience:
            lock = locks.take(self.engine.running, locks.EXCLUSIVE)
            if lock is not None:
                return lock
            if pid := self.engine.listener():
                self.pid = pid
                return None
            time.sleep(0.05)
        raise EngineError(f"A former {self.engine.title} in {self.engine.folder} does not end.")

    def _await_end(self) -> None:
        os.close(locks.wait(self.engine.running))
        self.events.put("engine ended")

    def _await_holders(self) -> None:
        locks.wait(self.engine.holders)  # kept: who comes now waits until this process has ended
        self.events.put("no holder left")

    def _stop(self) -> None:
        steps = [(self.engine.gentle, STOP_SECONDS), (self.engine.rough, 20), (signal.SIGKILL, 20)]
        if not self.engine.folder.exists():
            del steps[0]
        for number, seconds in steps:
            self._tell(number)
            if self._ends_within(seconds):
                return

    def _tell(self, number: signal.Signals) -> None:
        lock = locks.take(self.engine.running, locks.EXCLUSIVE)
        if lock is not None:
            os.close(lock)
        else:
            os.kill(self.pid, number)

    def _ends_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                if self.events.get(timeout=left) == "engine ended":
                    return True
            except Empty:
                break
        return False


def _typed(arguments: dict[str, object]) -> dict[str, Any]:
    return arguments


def supervise(engine: Engine) -> int:
    """Run the supervisor to its end and return the exit status; the reason of a failure ends the log."""
    try:
        Supervisor(engine).run()
    except EngineError as error:
        sys.stderr.write(f"assent: {error}\n")
        return 1
    return 0
