"""The drill: a backup is restored with pg_restore, and nobody who said no or was erased meanwhile comes back.

Everything runs as operations do it: the product's own pages and commands, in processes of their own.
"""

import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

from config.embedded import programs
from contacts import rights
from tests import make, processes
from tests.consent.public import stop_link, stranger

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

SERVE = "import config.wsgi"
STANDS = """
    SELECT i.email, p.state FROM consent_permission p
    JOIN contacts_identity i USING (contact_id) WHERE p.topic_id IS NOT NULL ORDER BY 1
"""


def program(name: str) -> str:
    for folder in programs.postgresql_folders():
        if (folder / name).is_file():
            return str(folder / name)
    return shutil.which(name) or pytest.skip(f"there is no {name}")


class Restored:
    """A second database, made of a dump of the first; everything asked of it runs in another process."""

    def __init__(self, dump: Path) -> None:
        database = connection.settings_dict
        self.name = f"{database['NAME']}_restored"
        self.dump = dump
        self.url = (
            f"postgresql://{database['USER']}@/{self.name}?host={quote(database['HOST'], safe='')}"
        )
        self.environment = processes.environment(DATABASE_URL=self.url)

    def __enter__(self) -> "Restored":
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
            cursor.execute(f'CREATE DATABASE "{self.name}"')
        postgresql("pg_restore", "--no-owner", "-d", self.url, str(self.dump))
        return self

    def __exit__(self, *_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')

    def run(self, *arguments: str, seconds: int = 600) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=processes.ROOT, env=self.environment, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip

    def manage(self, *arguments: str) -> str:
        done = self.run("manage.py", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refusal(self) -> str:
        done = self.run("-c", SERVE)
        assert done.returncode == 1, done.stderr
        return done.stderr.strip().splitlines()[-1]

    def refusal_of_a_worker(self) -> str:
        done = self.run(*processes.worker_command("restored")[1:], seconds=90)
        assert done.returncode != 0
        return done.stderr

    def stands(self) -> dict[str, str]:
        with psycopg.connect(self.url) as link:
            return dict(link.execute(STANDS).fetchall())


def postgresql(name: str, *arguments: str) -> None:
    subprocess.run([program(name), *arguments], check=True, capture_output=True, timeout=600)


@pytest.fixture
def news():
    make.organization()
    return make.topic()


def test_it_sends_to_nobody_who_said_no_or_was_erased_since_the_backup(news, tmp_path):
    ada, cy, dee, bo = (make.contact(f"{name}@example.org") for name in ("ada", "cy", "dee", "bo"))
    for person in (ada, cy, dee, bo):
        make.granted(person, news)
    make.withdrawn(bo, news)
    dump = tmp_path / "assent.dump"
    database = connection.settings_dict
    postgresql(
        "pg_dump", "-Fc", "-f", str(dump),
        *("-h", database["HOST"], "-U", database["USER"], "-d", database["NAME"]),
    )  # fmt: skip
    answer = stranger().post(f"/u/{stop_link(cy, news.key)}/", {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    rights.erase(contact=dee)

    with Restored(dump) as restored:
        assert restored.stands() == {
            "ada@example.org": "granted",
            "bo@example.org": "withdrawn",
            "cy@example.org": "granted",
            "dee@example.org": "granted",
        }
        assert "replay_erasures" in restored.refusal()
        assert "replay_erasures" in restored.refusal_of_a_worker()
        assert "1 people erased again" in restored.manage("replay_erasures")
        assert "replay_noes" in restored.refusal()
        assert "replay_noes" in restored.refusal_of_a_worker()
        assert "1 noes of people" in restored.manage("replay_noes")
        assert restored.run("-c", SERVE).returncode == 0
        assert restored.stands() == {
            "ada@example.org": "granted",
            "bo@example.org": "withdrawn",
            "cy@example.org": "withdrawn",
        }
        assert "0 noes of people and 0 stops" in restored.manage("replay_noes", "--all")
        restored.manage("rebuild_permissions", "--check")
        restored.manage("verify_ledger")
