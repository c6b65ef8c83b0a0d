"""The processes that quickstart runs beside itself: web server, worker, beat. They end when it ends."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from config import environment
from config.processes import end_with_parent

PATIENCE_S = 20
LINES_SHOWN = 15


class ChildEnded(Exception):
    """A process that should have stayed up has ended."""


class Children:
    """Started processes by name; leaving the context stops them, the last one first."""

    def __init__(self, logs: Path, settings: dict[str, str]) -> None:
        self.logs = logs
        self._environment = os.environ | settings
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._watched: dict[str, subprocess.Popen[str]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start `python -m …` with its output in `<name>.log`, away from the terminal's Ctrl-C."""
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=environment.ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent,  # noqa: PLW1509
            )

    def watch(self, name: str, process: "subprocess.Popen[str]") -> None:
        """Have `check` look at a process, too, that somebody else started and stops."""
        self._watched[name] = process

    def check(self) -> None:
        """Raise `ChildEnded`, with the end of its log, for a process that is gone."""
        for name, watched in self._watched.items():
            if watched.poll() is not None:
                raise ChildEnded(f"The {name} has ended with {watched.returncode}.")
        for name, process in self._running.items():
            if process.poll() is not None:
                log = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()
                raise ChildEnded(
                    f"The {name} has ended with {process.returncode}:\n"
                    + "\n".join(f"    {line}" for line in log[-LINES_SHOWN:])
                )

    def stop(self) -> None:
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def free_port(wanted: int) -> int:
    """The wanted TCP port on loopback, or a free one where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ChildEnded("There is no free port on this machine.")
