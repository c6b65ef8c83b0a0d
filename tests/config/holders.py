"""Processes that hold embedded engines, to be killed in every way, and what is left of the engines."""

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

from config.embedded import Addresses
from config.embedded.engines import PostgreSQL, Redis
from config.embedded.places import Places
from tests.beside import PATIENCE_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import dataclasses, json, sys
from pathlib import Path
from config import embedded
try:
    found = embedded.hold(Path(sys.argv[1]), **json.loads(sys.argv[2]))
except embedded.EngineError as error:
    print(json.dumps({"error": str(error)}), flush=True)
else:
    print(json.dumps(dataclasses.asdict(found)), flush=True)
    sys.stdin.read()
"""
FAST = {"fsync": "off", "shared_buffers": "16MB"}


class Holder:
    """A process of its own session that calls `hold` and then waits to be told to leave."""

    def __init__(
        self,
        var: Path,
        *,
        python: str = sys.executable,
        search: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        wrapper: Sequence[str] = (),
        **how: Any,
    ) -> None:
        how.setdefault("options", FAST)
        self.process = subprocess.Popen(
            [*wrapper, python, "-P", "-c", SCRIPT, str(var), json.dumps(how)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.defpath, "PYTHONPATH": str(search), **(environment or {})},
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def answer(self) -> dict[str, str]:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        assert readable, "hold did not return in time"
        answer: dict[str, str] = json.loads(self.process.stdout.readline())
        return answer

    def addresses(self) -> Addresses:
        return Addresses(**self.answer())

    def error(self) -> str:
        return self.answer()["error"]

    def kill(self) -> None:
        self.process.kill()
        self.leave()

    def leave(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(PATIENCE_S)


@contextmanager
def var_folder(name: str = "", below: str | None = None) -> Iterator[Path]:
    """A var folder that other accounts can enter; when left, none of its engines runs any more."""
    above = Path(tempfile.mkdtemp(prefix="assent-", dir=below))
    above.chmod(0o755)
    var = above / name
    try:
        yield var
        wait_until(lambda: not processes(var))
    finally:
        for process in processes(var):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        places = Places.of(var)
        places.discard()
        shutil.rmtree(above)


@contextmanager
def data_folder() -> Iterator[Path]:
    """The data folder of PostgreSQL as the first start makes it, to be given to many."""
    with var_folder() as var:
        with Holder(var, redis=False) as holder:
            holder.addresses()
        wait_until(lambda: not processes(var))
        yield Places.of(var).home / "postgresql"


def give(data: Path, var: Path) -> None:
    """Spare a var folder its first start."""
    places = Places.of(var)
    places.create()
    subprocess.run(["cp", "-a", "--sparse=always", data, places.home], check=True)


def processes(var: Path) -> list[psutil.Process]:
    """Supervisors and engines of that folder, by what they were started with."""
    places = Places.of(var)
    words = {
        str(var.resolve()),
        str(places.home / "postgresql"),
        str(places.home / "postgresql.new"),
        str(places.sockets / "redis.sock"),
    }
    # Redis writes its title as one word: "redis-server unixsocket:/…".
    titles = {f"unixsocket:{word}" for word in words}
    found = []
    for process in psutil.process_iter(["cmdline", "ppid", "status"]):
        line = words_of(process)
        is_named = bool(words & set(line)) or any(title in " ".join(line) for title in titles)
        if is_named and SCRIPT not in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def words_of(process: psutil.Process) -> list[str]:
    """Its command line as it was when `processes` found it."""
    return process.info["cmdline"] or []


def supervisors(var: Path) -> list[psutil.Process]:
    return [process for process in processes(var) if "config.embedded" in words_of(process)]


def postmasters(var: Path) -> list[psutil.Process]:
    """Without their children, which bear the same name until they have found a title."""
    found = [one for one in processes(var) if Path(words_of(one)[0]).name == "postgres"]
    return [one for one in found if one.info["ppid"] not in {other.pid for other in found}]


def postmaster(var: Path) -> psutil.Process:
    (found,) = postmasters(var)
    assert found.pid == PostgreSQL(Places.of(var)).listener()
    return found


def checkpointer(postmaster: psutil.Process) -> psutil.Process:
    """A child without which PostgreSQL cannot end; it may still be looking for its title."""
    found: list[psutil.Process] = []

    def is_found() -> bool:
        for child in postmaster.children():
            with suppress(psutil.Error):
                if "checkpointer" in " ".join(child.cmdline()):
                    found.append(child)
        return bool(found)

    wait_until(is_found, "the checkpointer")
    return found[0]


def redis_server(var: Path) -> psutil.Process:
    pid = Redis(Places.of(var)).listener()
    assert pid is not None
    return psutil.Process(pid)


def remove(var: Path) -> None:
    """Remove the folder although its engines go on writing."""
    while var.exists():
        shutil.rmtree(var, ignore_errors=True)


def execute(addresses: Addresses, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(addresses.database_url, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def is_gone(process: psutil.Process) -> bool:
    """Ended, whether or not somebody has asked how: the first process of a container may never do."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill(*processes: psutil.Process) -> None:
    """SIGKILL to all of them at once; returns when they have ended."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    wait_until(lambda: all(map(is_gone, processes)))


def run_script(script: str, var: Path) -> subprocess.Popen[bytes]:
    """Start a script with the var folder as its argument and pipes to it."""
    return subprocess.Popen(
        [sys.executable, "-c", script, str(var)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    )


def python_without_wheels() -> str:
    """The interpreter below the virtual environment."""
    return str(Path(sys.base_prefix) / "bin" / "python3")
