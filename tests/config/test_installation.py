"""An installation on servers of its own, run as the README says: what it answers while parts are gone.

Engines, web server, worker, beat and relay are real, each in a process of its own.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config import embedded, environment, keys, mailbox
from config.quickstart import browsing
from config.quickstart.children import free_port
from tests.beside import wait_until
from tests.config.holders import Holder, execute, give, processes, var_folder, words_of
from tests.processes import beat_command, running, worker_command

CLEAN = {
    name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
}
ENGINES = {"postgresql", "redis"}
ALIVE = dict.fromkeys(("database", "redis", "worker", "beat", "journal"), "ok")
WEB = """
import sys
from wsgiref.simple_server import make_server
from config.wsgi import application
make_server("127.0.0.1", int(sys.argv[1]), application).serve_forever()
"""
FILL = """
from config.quickstart import sample
from consent import links
from consent.models import Wording
from contacts import services as contacts
from contacts.models import Channel
from tests import make
topic = sample.topics()
sample.organization()
ada = contacts.create_contact(email="ada@example.org")
make.granted(ada, topic)
words = Wording.objects.current().get(topic=topic, channel=Channel.EMAIL, language="en")
address = ada.addresses.current().get(channel=Channel.EMAIL)
stop = links.Stop(ada.subject, bytes(address.fingerprint), 1, topic.key, Channel.EMAIL)
print(words.digest, links.stop_token(stop))
"""
PERMISSION_OF_ADA = """
from contacts import services as contacts
ada = contacts.find_contact(channel="email", address="ada@example.org")
print(ada.permissions.get(topic__key="product-news", channel="email").state)
"""


pytestmark = pytest.mark.faults


@dataclass
class Installation:
    """Its folder, its environment, and the processes that hold its engines."""

    var: Path
    url: str
    variables: dict[str, str] = field(default_factory=dict)
    engines: dict[str, Holder] = field(default_factory=dict)

    def start_engine(self, name: str) -> None:
        (other,) = ENGINES - {name}
        self.engines[name] = Holder(self.var, **{other: False})
        self.engines[name].addresses()

    def stop_engine(self, name: str) -> None:
        self.engines.pop(name).leave()
        wait_until(lambda: not any(name in " ".join(words_of(p)) for p in processes(self.var)))

    def stop(self) -> None:
        for holder in self.engines.values():
            holder.leave()

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=environment.ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ask(self, script: str) -> str:
        return self.run("manage.py", "shell", "--no-imports", "-c", script)

    @contextmanager
    def web_server(self) -> Iterator[None]:
        command = [sys.executable, "-c", WEB, self.url.rpartition(":")[2]]
        with running(command, self.variables):
            wait_until(self.answers)
            yield

    def answers(self) -> bool:
        try:
            return bool(self.health())
        except OSError:
            return False

    def health(self) -> dict[str, str]:
        """What `/healthz` says, held to the status that load balancers look at."""
        answer = browsing.get(f"{self.url}/healthz")
        said: dict[str, str] = json.loads(answer.body)
        assert answer.status == (200 if said == ALIVE else 503)
        return said


@pytest.fixture(scope="module")
def installation(data: Path) -> Iterator[Installation]:
    with var_folder() as var, ExitStack() as leaving:
        give(data, var)
        made = Installation(var, f"http://127.0.0.1:{free_port(0)}")
        leaving.callback(made.stop)
        for name in sorted(ENGINES):
            made.start_engine(name)
        listener = mailbox.listen(var / "mailbox")
        leaving.callback(listener.stop)
        addresses = embedded.addresses(var)
        made.variables = {
            **CLEAN,
            **keys.fresh(),
            "DATABASE_URL": addresses.database_url,
            "REDIS_URL": addresses.redis_url,
            "ASSENT_VAR": str(var / "own"),
            "PUBLIC_URL": made.url,
            "EMAIL_URL": f"smtp://{listener.host}:{listener.port}",
        }
        made.run("manage.py", "migrate", "-v0")
        made.run("manage.py", "collectstatic", "-v0", "--no-input")
        with made.web_server():
            yield made


def test_it_starts_no_engine_and_serves_what_was_collected(installation):
    assert not (installation.var / "own" / "engines").exists()
    page = browsing.get(f"{installation.url}/join/")
    assert page.status == 200
    (sheet,) = set(re.findall(r'href="(/static/[^"]*\.css)"', page.body))
    assert browsing.get(f"{installation.url}{sheet}").status == 200


def test_it_says_which_part_is_not_alive(installation, tmp_path):
    execute(embedded.addresses(installation.var), "DELETE FROM campaigns_heartbeat")
    assert installation.health() == ALIVE | {
        "worker": "No worker answers.",
        "beat": "No tick in the last 30 seconds: beat or every worker has stopped.",
    }
    with (
        running(worker_command("whole", concurrency=1), installation.variables),
        running(beat_command(tmp_path), installation.variables),
    ):
        wait_until(lambda: installation.health() == ALIVE)
        installation.stop_engine("redis")
        try:
            said = installation.health()
            assert said["redis"] == "Redis does not answer."
            assert said["worker"] == "No worker can be asked, because Redis does not answer."
            assert said["database"] == "ok"
        finally:
            installation.start_engine("redis")
        wait_until(lambda: installation.health() == ALIVE)


def test_it_says_so_and_goes_on_when_the_database_was_away(installation):
    installation.stop_engine("postgresql")
    try:
        said = installation.health()
        assert said["database"] == "The database does not answer."
        assert said["beat"] == "No tick can be looked up, because the database does not answer."
        assert said["redis"] == "ok"
        answer = browsing.get(f"{installation.url}/join/")
        assert answer.status == 503
        assert "so nothing was changed" in answer.body
    finally:
        installation.start_engine("postgresql")
    assert installation.health()["database"] == "ok"
    assert browsing.get(f"{installation.url}/join/").status == 200


def test_it_takes_sign_ups_and_withdrawals_when_redis_is_away(installation, tmp_path):
    words, token = installation.ask(FILL).split()
    join = f"{installation.url}/join/"
    installation.stop_engine("redis")
    try:
        page = browsing.get(join)
        assert page.status == 200
        fields = [("email", "bo@example.org"), ("yes", words)]
        assert browsing.submit(join, page.body, fields, read_for_s=2.5).status == 200

        one_click = [("List-Unsubscribe", "One-Click")]
        assert browsing.post(f"{installation.url}/u/{token}/", one_click).status == 200
        assert installation.ask(PERMISSION_OF_ADA) == "withdrawn"
    finally:
        installation.start_engine("redis")

    received = mailbox.Mailbox(installation.var / "mailbox")
    with (
        running(worker_command("later", concurrency=1), installation.variables),
        running(beat_command(tmp_path), installation.variables),
    ):
        wait_until(lambda: received.names(to="bo@example.org"))
