"""What benchmarks and fault tests stand on: engines of their own, people who said yes, real processes.

Import nothing of Django before `open_stage`: it sets where everything lives.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from campaigns.models import Campaign

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60

_PEOPLE = """
    INSERT INTO contacts_contact
        (subject, language, timezone, lifecycle, attributes, created_at)
    SELECT gen_random_uuid(), 'en', '', 'subscriber', '{}', now() FROM generate_series(1, %(count)s)
"""
_IDENTITIES = """
    INSERT INTO contacts_identity (contact_id, first_name, last_name, email, phone)
    SELECT id, 'Reader' || id, 'Number', 'reader' || id || '@example.org', '' FROM contacts_contact
"""
_ADDRESSES = """
    INSERT INTO contacts_address (contact_id, channel, fingerprint, domain, created_at, verified_at)
    SELECT contact_id, 'email', sha256(convert_to(email, 'UTF8')), 'example.org', now(), now()
    FROM contacts_identity
"""
_EVENTS = """
    INSERT INTO consent_consentevent (
        subject, topic_key, channel, kind, basis, method, occurred_at, recorded_at, actor_role,
        actor, commitment
    )
    SELECT subject, 'product-news', 'email', 'given', 'consent', 'confirmation', now(), now(),
        'subject', '', sha256('')
    FROM contacts_contact
"""
_PERMISSIONS = """
    INSERT INTO consent_permission (
        contact_id, topic_id, channel, state, stopped, since, fresh_at, basis, method, address_id, event_id
    )
    SELECT c.id, t.id, 'email', 'granted', false, e.occurred_at, e.occurred_at, 'consent', '',
        a.id, e.id
    FROM contacts_contact c
    JOIN contacts_address a ON a.contact_id = c.id
    JOIN consent_consentevent e ON e.subject = c.subject
    JOIN consent_topic t ON t.key = e.topic_key
"""


@dataclass
class Stage:
    """A prepared installation. `environment` is what its processes run with."""

    folder: Path
    environment: dict[str, str]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start `python -m …` under a name, in a process group of its own."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes[name] = process
        return process

    def start_worker(
        self, name: str, *, queues: str, concurrency: int, pool: str = "prefork"
    ) -> None:
        self.start(
            name,
            *(
                "celery",
                "--skip-checks",
                "-A",
                "config",
                "worker",
                "-n",
                f"{name}@%h",
                "-Q",
                queues,
            ),
            *("-P", pool, "-c", str(concurrency), "-l", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        )

    def start_beat(self) -> None:
        self.start(
            "beat",
            *("celery", "--skip-checks", "-A", "config", "beat", "-l", "WARNING", "--pidfile="),
            *("-s", str(self.folder / "schedule")),
        )

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            kill_tree(process.pid)
            process.wait()

    def signal_engine(self, name: str, how: signal.Signals) -> None:
        """To PostgreSQL (`postgres`) or Redis (`redis`); its supervisor starts it again."""
        for pid in engine_pids(self.folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if name in process.cmdline()[0]:
                    process.send_signal(how)


def again(question: Any) -> Any:
    """Ask until the database answers: it may be down on purpose."""
    from django.db import DatabaseError, InterfaceError, connection

    give_up_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return question()
        except (DatabaseError, InterfaceError):
            connection.close()
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.2)


def refuse_foreign_engines() -> None:
    """Benchmarks and faults write millions of rows and kill servers: only engines of their own."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        if os.environ.get(name):
            sys.exit(f"{name} is set: this runs on engines of its own only. Unset it.")


@contextlib.contextmanager
def open_stage(settings: Mapping[str, str]) -> Iterator[Stage]:
    """Engines, tables and keys in a temporary folder, removed at the end with every process."""
    refuse_foreign_engines()
    folder = Path(tempfile.mkdtemp(prefix="assent"))
    folder.chmod(0o755)
    os.environ.update(
        settings, ASSENT_VAR=str(folder), DJANGO_SETTINGS_MODULE="config.settings", DEBUG="False",
        LOG_LEVEL="WARNING",
    )  # fmt: skip
    stage = Stage(folder, dict(os.environ))
    try:
        _prepare()
        yield stage
    finally:
        for name in list(stage.processes):
            stage.stop(name)
        _stop_engines(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _in_one_line(result: Mapping[str, Any]) -> str:
    return "  ".join(f"{name} {value:g}" for name, value in result.items())


def run(
    measure: Callable[[int], Mapping[str, Any]],
    *,
    size: str,
    default: int,
    about: str | None,
    tell: Callable[[Mapping[str, Any]], str] = _in_one_line,
) -> None:
    """The command of a benchmark: `--<size> N` and `--json`; without that the result as `tell` says it."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0] if about else "")
    parser.add_argument(f"--{size}", dest="size", type=int, default=default)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with open_stage({}):
        result = measure(options.size)
    print(json.dumps(result) if options.json else tell(result))


def _prepare() -> None:
    import django

    from config import engines

    engines.hold()
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from contacts import services

    services.record_key_checks()


def _stop_engines(folder: Path) -> None:
    """Tell their supervisors, and wait until the engines have ended."""
    from django.db import connections

    connections.close_all()
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "supervise" in words and str(folder) in words:
            process.terminate()
    give_up_at = time.monotonic() + 20
    while engine_pids(folder) and time.monotonic() < give_up_at:
        time.sleep(0.1)


def engine_pids(folder: Path) -> list[int]:
    """The postmaster and the Redis server below a folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
        and os.path.basename((process.info["cmdline"] or [""])[0]).startswith(("postgres", "redis"))
    ]


@contextlib.contextmanager
def in_bulk(*tables: str) -> Iterator[None]:
    """Without foreign keys, indexes but the primary one, and triggers of our own, until all is written.

    A row is then written once and every check made once over the whole table.
    """
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c"
            " WHERE c.contype IN ('f', 'u') AND c.conrelid::regclass::text = ANY(%s)",
            [list(tables)],
        )
        constraints = cursor.fetchall()
        for table, name, _definition in constraints:
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
            " WHERE NOT indisprimary AND indrelid::regclass::text = ANY(%s)",
            [list(tables)],
        )
        indexes = cursor.fetchall()
        for name, _definition in indexes:
            cursor.execute(f"DROP INDEX {name}")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for _name, definition in indexes:
            cursor.execute(definition)
        for table, name, definition in constraints:
            cursor.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def people(count: int) -> None:
    """Contacts with an address, each with a permission for the topic `product-news`."""
    from django.db import connection

    from tests import make

    make.organization()
    make.topic()
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute(_PEOPLE, {"count": count})
        for statement in (_IDENTITIES, _ADDRESSES, _EVENTS, _PERMISSIONS):
            # Planned by what stood there before, the joins would take minutes.
            cursor.execute("ANALYZE")
            cursor.execute(statement)
        # The sealer's work on these events belongs to no send.
        cursor.execute("DELETE FROM consent_unsealed")
        cursor.execute("RESET synchronous_commit")
        cursor.execute("VACUUM ANALYZE")


def campaign(name: str, body: str) -> "Campaign":
    from tests import make

    made = make.campaign(make.topic(), name=name)
    made.contents.update(subject="{{ first_name }}, three books for you", body=body)
    return made


def newsletter() -> str:
    """Markdown of a newsletter: with its layout 10-12 KB of HTML and text, five links, a first name."""
    paragraph = (
        "This month we read through the night so that you do not have to. The first of our books "
        "follows a lighthouse keeper who writes letters to every ship that passes; the second is a "
        "cookbook for one pot and one hour; the third tells how a village kept its school. "
    )
    books = "\n\n".join(
        f"## Book {number}\n\n{paragraph * 2}\n\n[Read the first chapter](https://lumen.example/b/{number})"
        for number in range(1, 6)
    )
    return f"Dear {{{{ first_name | default: 'reader' }}}},\n\n{paragraph}\n\n{books}\n\nYours, Lumen Books"


def kill_tree(pid: int) -> None:
    """SIGKILL to a process and its children, found by parentage."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


def tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_s(pids: list[int]) -> float:
    """CPU seconds of these processes and of all their children, ended ones included."""
    total = 0.0
    for pid in pids:
        for process in tree(pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


class Memory(threading.Thread):
    """Samples the memory of process trees; `peak_mb` counts shared pages once (PSS)."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self._pids = pids
        self._over = threading.Event()
        self.peak_mb = 0.0
        self.peak_rss_mb = 0.0

    def run(self) -> None:
        while not self._over.wait(1.0):
            pss = rss = 0
            for pid in self._pids:
                for process in tree(pid):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        memory: Any = process.memory_full_info()
                        pss, rss = pss + memory.pss, rss + memory.rss
            self.peak_mb = max(self.peak_mb, pss / 1e6)
            self.peak_rss_mb = max(self.peak_rss_mb, rss / 1e6)

    def stop(self) -> None:
        self._over.set()
        self.join()


def wait_for(condition: Any, *, seconds: float, what: str, every: float = 0.1) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{what} took more than {seconds:.0f} s")
        time.sleep(every)
