"""Quickstart does the whole job on engines of its own, goes on with its data, and tells what broke."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import pytest

from config import embedded, environment
from tests.beside import wait_until
from tests.config.holders import Holder, give, is_gone, var_folder

# What the settings read must not come from whoever runs the tests.
CLEAN = {
    name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
}
WITHIN_S = 600
pytestmark = pytest.mark.faults


def quickstart(var: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "manage.py", "quickstart", "--exit", *arguments],
        cwd=environment.ROOT,
        env=CLEAN | {"ASSENT_VAR": str(var), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> str:
    said, _ = process.communicate(timeout=WITHIN_S)
    return said


@dataclass(frozen=True)
class Installation:
    """Where a first quickstart has been, and what it said."""

    var: Path
    taken_port: int
    status: int
    said: str


@pytest.fixture(scope="module")
def installation(data: Path) -> Iterator[Installation]:
    with var_folder() as var, socket.create_server(("127.0.0.1", 0)) as taken:
        give(data, var)
        port = int(taken.getsockname()[1])
        first = quickstart(var, "--port", str(port))
        said = finish(first)
        yield Installation(var, port, first.returncode, said)


def test_it_does_the_whole_job_and_replaces_a_taken_port(installation):
    said = installation.said
    assert installation.status == 0, said
    assert "All of it as promised" in said
    assert "23 contacts" in said
    assert "reader1@mail.example is withheld" in said
    (port,) = set(re.findall(r"http://localhost:(\d+)/join/", said))
    assert int(port) != installation.taken_port


def test_it_goes_on_with_its_data(installation):
    second = quickstart(installation.var)
    said = finish(second)

    assert second.returncode == 0, said
    assert "nothing is new: they were imported before" in said
    assert "issue 1”" not in said


def test_it_fails_when_somebody_changed_the_ledger(installation):
    with Holder(installation.var, redis=False) as holder:
        addresses = holder.addresses()
        move_an_event(addresses, "1 year")
        third = quickstart(installation.var)
        said = finish(third)
        move_an_event(addresses, "-1 year")

    assert third.returncode == 1, said
    assert "Not as promised: " in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["mailbox", "worker"])
def test_it_says_which_of_its_processes_has_ended(installation, name):
    process = quickstart(installation.var)
    assert process.stdout is not None
    for line in process.stdout:
        if "are alive" in line:
            break
    children = psutil.Process(process.pid).children()
    child(process, {"mailbox": "config.mailbox"}.get(name, name)).kill()

    said = finish(process)

    assert process.returncode == 1, said
    assert f"The {name} has ended with -{signal.SIGKILL:d}" in said
    assert "Traceback" not in said
    wait_until(lambda: all(map(is_gone, children)))


def test_it_refuses_to_run_beside_another_one(installation):
    first = quickstart(installation.var)
    assert first.stdout is not None
    next(line for line in first.stdout if "bringing the tables up to date" in line)
    first.send_signal(signal.SIGSTOP)  # it may not be done before the second one is there

    second = quickstart(installation.var)
    said = finish(second)
    first.send_signal(signal.SIGCONT)
    first.terminate()
    finish(first)

    assert second.returncode == 1
    assert "Quickstart is already running on this data." in said
    assert "are alive" not in said


def child(process: "subprocess.Popen[str]", word: str) -> psutil.Process:
    for found in psutil.Process(process.pid).children():
        if word in found.cmdline():
            return found
    raise AssertionError(f"there is no {word}")


def move_an_event(addresses: embedded.Addresses, interval: str) -> None:
    """Change the ledger as somebody could who owns the database: past the triggers, by hand."""
    with psycopg.connect(addresses.database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE consent_consentevent DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE consent_consentevent SET occurred_at = occurred_at - %s::interval"
            " WHERE id = (SELECT min(id) FROM consent_consentevent)",
            [interval],
        )
        connection.execute("ALTER TABLE consent_consentevent ENABLE TRIGGER USER")
