import json
import os
import signal
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.test.utils import override_settings

from config import mailbox
from config.embedded import locks
from config.quickstart import browsing, sample
from config.quickstart.children import ChildEnded, Children, free_port
from config.quickstart.story import Place, PromiseBroken, Story

WEB_PORT, SMTP_PORT = 8000, 2525
STARTS_WITHIN_S = 180


class Command(BaseCommand):
    help = "Sends the first newsletter on this machine, from sign-up to unsubscribe, and stays up."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--exit",
            action="store_true",
            help="do the whole job and end",
        )
        parser.add_argument("--port", type=int, default=WEB_PORT, help="the port, if it is free")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("quickstart is for development: it needs DEBUG=True.")
        # Told to end, it stops what it started, as on Ctrl-C.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        started_at = time.monotonic()
        # Held as long as this process lives.
        if locks.take(settings.ASSENT_VAR / "quickstart.lock", locks.EXCLUSIVE) is None:
            raise CommandError(
                "Quickstart is already running on this data. Use that one, or end it first."
            )
        self.stdout.write("▸ PostgreSQL and Redis are up; bringing the tables up to date")
        call_command("migrate", verbosity=0, interactive=False)
        user, password = self._staff()
        try:
            self._run(options, user, password, started_at)
        except (PromiseBroken, ChildEnded, mailbox.MailboxError) as error:
            self.stderr.write(self.style.ERROR(f"\n{error}"))
            sys.exit(1)

    def _run(self, options: dict[str, Any], user: User, password: str, started_at: float) -> None:
        port = free_port(options["port"])
        url = f"http://localhost:{port}"
        folder: Path = settings.ASSENT_VAR
        listener = mailbox.listen(folder / "mailbox", port=SMTP_PORT)
        environment = {
            "PUBLIC_URL": url,
            "EMAIL_URL": f"smtp://{listener.host}:{listener.port}",
            "ASSENT_MAILBOX": str(folder / "mailbox"),
            "SMS_URL": listener.sms_url,
            "SMS_FROM": sample.NUMBER,
            "SMS_COUNTRIES": ",".join(sample.COUNTRIES),
            "DEBUG": "True",
        }
        try:
            with Children(folder / "log", environment) as children:
                children.watch("mailbox", listener.process)
                self._start(children, port, url)
                place = Place(url, mailbox.Mailbox(folder / "mailbox"), user)
                with override_settings(PUBLIC_URL=url, **sample.texting(listener.sms_url)):
                    Story(place, children, self.stdout).tell()
                self.stdout.write(
                    f"\nAll of it as promised, in {time.monotonic() - started_at:.0f} s."
                )
                if not options["exit"]:
                    self._stay_up(children, url, password)
        finally:
            listener.stop()

    def _staff(self) -> tuple[User, str]:
        """The staff user; its password is kept for the next start, readable by its owner only."""
        path: Path = settings.ASSENT_VAR / "quickstart.json"
        kept = json.loads(path.read_text())["password"] if path.exists() else ""
        user, password = sample.staff(kept)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"username": user.username, "password": password}, file)
        return user, password

    def _start(self, children: Children, port: int, url: str) -> None:
        self.stdout.write("▸ Starting the web server, a worker and beat")
        celery = ["-m", "celery", "-A", "config"]
        children.start("web server", ["manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"])
        children.start(
            "worker",
            [
                *celery,
                "worker",
                "-Q",
                "default,service,deliver,long",
                "-c",
                "3",
                "--without-gossip",
                "--without-mingle",
                "-l",
                "INFO",
            ],
        )
        children.start("beat", [*celery, "beat", "-l", "INFO"])
        give_up_at = time.monotonic() + STARTS_WITHIN_S
        while True:
            children.check()
            try:
                answer = browsing.get(f"{url}/healthz")
            except OSError:
                answer = None
            if answer and answer.status == 200:
                break
            if time.monotonic() > give_up_at:
                state = answer.body if answer else "the web server does not answer"
                raise ChildEnded(f"Not everything is up after {STARTS_WITHIN_S} s: {state}")
            time.sleep(0.25)
        self.stdout.write("  ✓ database, Redis, worker and beat are alive")

    def _stay_up(self, children: Children, url: str, password: str) -> None:
        self.stdout.write(
            "\nStays up until Ctrl-C. Click:\n"
            f"  sign-up      {url}/join/\n"
            f"  mailbox      {url}/mailbox/\n"
            f"  admin        {url}/admin/   name: {sample.STAFF}   password: {password}\n"
            f"  API          {url}/api/docs/\n"
            f"  health       {url}/healthz\n"
        )
        try:
            while True:
                children.check()
                time.sleep(1)
        except KeyboardInterrupt:
            self.stdout.write("\nStopping.")
