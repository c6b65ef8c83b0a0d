"""The supervisor: parent of one engine, which stops it when its last holder is gone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from queue import Empty, SimpleQueue

from config.embedded import locks
from config.embedded.engines import Engine, launch
from config.embedded.errors import EngineError

# Long enough for the recovery after a crash.
PATIENCE_SECONDS = 900
# Long enough for the last checkpoint or dump of a laptop's data; then it is told less gently.
STOP_SECONDS = 120
ROUGH_STOP_SECONDS = 20
TELL_EVERY_SECONDS = 2
# How soon a removed socket or folder is noticed.
LOOK_EVERY_SECONDS = 1
# Far more than an engine needs from its start to its socket; recovery comes after that.
LISTEN_SECONDS = 60


class Event(Enum):
    """What a supervisor waits for."""

    ENGINE_ENDED = 1
    NO_HOLDER_LEFT = 2
    TOLD_TO_STOP = 3


class Supervisor:
    """Runs until the last holder is gone, it is told to stop, or the engine cannot run."""

    def __init__(self, engine: Engine, lock: int) -> None:
        self.engine = engine
        self.lock = lock
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.child: subprocess.Popen[bytes] | None = None
        self.adopted: int | None = None
        self.has_answered = False
        self.started = time.monotonic()

    def run(self) -> None:
        """Return when the engine has stopped. Raises EngineError where it does not come up."""
        signal.signal(signal.SIGTERM, lambda *_: self.events.put(Event.TOLD_TO_STOP))
        self._start()
        threading.Thread(target=self._await_holders, daemon=True).start()
        while self._next_event() is Event.ENGINE_ENDED:
            if self.child:
                self.child.wait()
            if not self.has_answered:
                raise EngineError(f"{self.engine.title} did not start.")
            self._start()
        self._stop()

    def _next_event(self) -> Event:
        while True:
            age = time.monotonic() - self.started
            try:
                pause = LOOK_EVERY_SECONDS if self.has_answered else min(0.05 + age / 10, 0.5)
                return self.events.get(timeout=pause)
            except Empty:
                self._look_after()

    def _look_after(self) -> None:
        if not self.has_answered and self.engine.answers():
            self.has_answered = True
        was_reachable = self.has_answered or time.monotonic() - self.started > LISTEN_SECONDS
        if was_reachable and not self.engine.socket_path.exists() and self.has_home():
            # Nobody reaches it any more: a cleaner of /tmp took its socket, or an engine of a
            # removed folder of the same name did when it ended. It ends now, and starts again.
            self.has_answered = True
            self._tell(self.engine.gentle)

    def _start(self) -> None:
        """Start the engine, or adopt the one that a killed supervisor left behind."""
        if not self.has_home():
            raise EngineError(f"The folder {self.engine.places.home} was removed.")
        running = self._lock_or_adopt()
        if running is not None:
            # The engine's own copy of the descriptor keeps the lock while any of its processes lives.
            try:
                self.engine.places.create()
                command = self.engine.prepare(running)
                self.child = launch(self.engine.places, command, keep=[running])
            finally:
                os.close(running)
            self.adopted, self.has_answered = None, False
            self.started = time.monotonic()
        threading.Thread(target=self._await_end, daemon=True).start()

    def has_home(self) -> bool:
        """Whether the folders are still ours, not removed or made anew."""
        return locks.is_open_on(self.lock, self.engine.supervisor)

    def _lock_or_adopt(self) -> int | None:
        """The lock of an engine of which nothing runs; None when the one that runs is adopted."""
        patience = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < patience:
            running = locks.take(self.engine.running, locks.EXCLUSIVE)
            if running is not None:
                return running
            if pid := self.engine.listener():
                self.child, self.adopted, self.has_answered = None, pid, True
                return None
            time.sleep(0.05)
        raise EngineError(f"A former {self.engine.title} in {self.engine.folder} does not end.")

    def _await_end(self) -> None:
        os.close(locks.wait(self.engine.running))
        self.events.put(Event.ENGINE_ENDED)

    def _await_holders(self) -> None:
        locks.wait(self.engine.holders)  # kept: who comes now waits until this process has ended
        self.events.put(Event.NO_HOLDER_LEFT)

    def _stop(self) -> None:
        # Told while it starts, an engine may not listen yet: it is told again until it ends.
        # Without its folders nothing is left to save, and Redis would refuse to end.
        until = time.monotonic() + STOP_SECONDS
        while self.has_home() and time.monotonic() < until:
            self._tell(self.engine.gentle)
            if self._ends_within(TELL_EVERY_SECONDS, while_=self.has_home):
                return
        for number in (self.engine.rough, signal.SIGKILL):
            self._tell(number)
            if self._ends_within(ROUGH_STOP_SECONDS):
                return

    def _tell(self, number: signal.Signals) -> None:
        if self.child:
            self.child.send_signal(number)
        elif self.adopted and self.engine.listener() == self.adopted:
            with suppress(ProcessLookupError):
                os.kill(self.adopted, number)

    def _ends_within(self, seconds: float, *, while_: Callable[[], bool] = lambda: True) -> bool:
        until = time.monotonic() + seconds
        while while_() and (left := until - time.monotonic()) > 0:
            with suppress(Empty):
                if self.events.get(timeout=min(left, 0.5)) is Event.ENGINE_ENDED:
                    return True
        return False


def supervise(engine: Engine, lock: int) -> int:
    """Run the supervisor to its end and return the exit status; a failure's reason ends the log."""
    var = os.open(engine.places.var, os.O_RDONLY | os.O_DIRECTORY)
    try:
        supervisor = Supervisor(engine, lock)
        supervisor.run()
        # Without a link left it was removed, not moved; home may be that of the next one by now.
        if os.fstat(var).st_nlink == 0 and supervisor.has_home():
            engine.places.discard()
    except EngineError as error:
        sys.stderr.write(f"assent: {error}\n")
    except OSError as error:
        sys.stderr.write(f"assent: {engine.title} did not start ({error}).\n")
    else:
        return 0
    return 1
