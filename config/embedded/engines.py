"""What is particular to PostgreSQL and to Redis: how each is made, started, asked and stopped."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from config.embedded import programs
from config.embedded.errors import EngineError
from config.embedded.places import Places


class Engine(ABC):
    """One engine of one var folder; knows how to run it, keeps nothing running."""

    name: ClassVar[str]
    title: ClassVar[str]
    # What asks it to stop, and what it gets when its files are gone or it does not stop in time.
    gentle: ClassVar[signal.Signals]
    rough: ClassVar[signal.Signals]

    def __init__(self, places: Places, options: Mapping[str, str] | None = None) -> None:
        self.places = places
        self.options = dict(options or {})
        self.folder = places.home / self.name

    @property
    def holders(self) -> Path:
        """Locked shared by every process that needs the engine, exclusively to stop it."""
        return self.places.home / f"{self.name}.holders"

    @property
    def supervisor(self) -> Path:
        """Locked by the one supervisor."""
        return self.places.home / f"{self.name}.supervisor"

    @property
    def running(self) -> Path:
        """Locked by the engine's own processes, so it tells surely whether one of them is left."""
        return self.places.home / f"{self.name}.running"

    @property
    def log(self) -> Path:
        return self.places.home / f"{self.name}.log"

    @property
    @abstractmethod
    def socket_path(self) -> Path: ...

    @abstractmethod
    def find(self) -> None:
        """Raise EngineError where its programs are missing."""

    @abstractmethod
    def prepare(self, running: int) -> list[str]:
        """Make its folder ready, once nothing of it runs, and return the command that starts it.

        What it starts meanwhile keeps the descriptor `running`: our successor waits for it, too.
        """

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes work now."""

    def listener(self) -> int | None:
        """The process that listens on its socket."""
        try:
            with self._connect() as link:
                return _peer(link)
        except OSError:
            return None

    def _connect(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.settimeout(5)
            link.connect(os.fspath(self.socket_path))
        except BaseException:
            link.close()
            raise
        return link

    def _ask(self, question: bytes) -> bytes:
        """The first bytes of the answer, empty where there is none."""
        try:
            with self._connect() as link:
                link.sendall(question)
                return link.recv(1024)
        except OSError:
            return b""


class PostgreSQL(Engine):
    name, title = "postgresql", "PostgreSQL"
    gentle, rough = signal.SIGINT, signal.SIGQUIT  # "fast" and "immediate" shutdown

    SETTINGS: ClassVar = {
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "port": "5432",
        "shared_buffers": "256MB",
        "max_connections": "100",
        "max_wal_size": "2GB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }

    @property
    def socket_path(self) -> Path:
        return self.places.sockets / ".s.PGSQL.5432"

    def find(self) -> None:
        programs.postgresql_folders()

    def prepare(self, running: int) -> list[str]:
        if not (self.folder / "PG_VERSION").exists():
            self._create(running)
        version = int((self.folder / "PG_VERSION").read_text().split(".")[0])
        program = programs.postgresql(self.places, version) / "postgres"
        # Whoever these name is not ours, even if the process number lives again.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        self.socket_path.with_name(f"{self.socket_path.name}.lock").unlink(missing_ok=True)
        folder = str(self.places.sockets).replace('"', '""')
        settings = {**self.SETTINGS, "unix_socket_directories": f'"{folder}"', **self.options}
        return [
            str(program),
            "-D",
            str(self.folder),
            *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
        ]

    def answers(self) -> bool:
        words = b"user\0assent\0database\0assent\0\0"
        hello = struct.pack("!II", 8 + len(words), 196608) + words
        goodbye = b"X\0\0\0\x04"
        return self._ask(hello + goodbye).startswith(b"R")

    def _create(self, running: int) -> None:
        """Make the data folder aside and move it into place when it is whole."""
        folder = programs.postgresql(self.places, None)
        fresh = self.folder.with_name(f"{self.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self.places.own(fresh)
        initdb, postgres = str(folder / "initdb"), str(folder / "postgres")
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        superuser = ["-U", "postgres", "--auth=trust"]
        is_durable = self.options.get("fsync") != "off"
        sync = [] if is_durable else ["--no-sync"]
        make = [initdb, "-D", str(fresh), "--encoding=UTF8", *locale, *superuser, *sync]
        self._run(make, running)
        self._run(
            [postgres, "--single", "-D", str(fresh), *([] if is_durable else ["-F"]), "postgres"],
            running,
            "CREATE ROLE assent LOGIN CREATEDB;\nCREATE DATABASE assent OWNER assent;\n",
        )
        fresh.rename(self.folder)

    def _run(self, command: list[str], running: int, text: str = "") -> None:
        pipe = subprocess.PIPE
        process = launch(self.places, command, stdin=pipe, stdout=pipe, keep=[running])
        output = process.communicate(text.encode())[0].decode(errors="replace")
        # In single-user mode PostgreSQL goes on after an error and ends with 0.
        if process.returncode != 0 or "ERROR:" in output:
            sys.stderr.write(output)
            raise EngineError("PostgreSQL could not make its data folder.")


class Redis(Engine):
    name, title = "redis", "Redis"
    gentle, rough = signal.SIGTERM, signal.SIGKILL

    SETTINGS: ClassVar = {
        "port": "0",
        "unixsocketperm": "700",
        "daemonize": "no",
        "dbfilename": "redis.rdb",
        "appendonly": "no",
        "stop-writes-on-bgsave-error": "no",
    }

    @property
    def socket_path(self) -> Path:
        return self.places.sockets / "redis.sock"

    def find(self) -> None:
        programs.redis()

    def prepare(self, running: int) -> list[str]:
        self.places.own(self.folder)
        settings = {**self.SETTINGS, "unixsocket": str(self.socket_path), "dir": str(self.folder)}
        words = (word for key, value in settings.items() for word in (f"--{key}", value))
        # One dump a minute, if something changed; a value with a space would be taken for one word.
        return [str(programs.reachable_redis(self.places)), *words, "--save", "60", "1"]

    def answers(self) -> bool:
        return self._ask(b"PING\r\n").startswith(b"+PONG")


ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (PostgreSQL, Redis)}


def bare_environment() -> dict[str, str]:
    """What programs need to be found and run: no secret of ours, no PGDATA or PGOPTIONS of others."""
    keep = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in keep if name in os.environ} | {"LC_ALL": "C"}


def launch(
    places: Places,
    command: list[str],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start an engine's program as the engines' account; it keeps those descriptors of ours."""
    account = places.account
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=bare_environment(),
        pass_fds=keep,
        user=None if account.is_us else account.uid,
        group=None if account.is_us else account.gid,
        extra_groups=None if account.is_us else [],
    )


def _peer(link: socket.socket) -> int:
    if sys.platform == "darwin":
        local, local_peerpid = 0, 2  # sys/un.h
        return link.getsockopt(local, local_peerpid)
    else:
        size = struct.calcsize("3i")
        pid, _, _ = struct.unpack(
            "3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        )
        return int(pid)
