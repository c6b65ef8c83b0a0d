"""A mailbox for development and tests: keeps mails and texts that a real listener receives, one file each.

`python -m config.mailbox` is the listener. Nothing here passes a message on to anybody.
"""

import os
import re
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from functools import cached_property
from pathlib import Path
from threading import Lock

from config import environment
from config.processes import end_with_parent

LIMIT = 256 * 1024 * 1024
BLOCK = 4096
NAME = re.compile(r"\d{20}-\d+\.eml")
# What RFC 3458 calls a message to a phone.
TEXT_CONTEXT = "pager-message"
WEB_ADDRESS = re.compile(r"<(https?://[^>\s]+)>")


class MailboxError(Exception):
    """The mailbox cannot do this."""


class NoSuchLetter(MailboxError):
    """There is no such message in the mailbox, or it made room for newer ones."""


class ListenerFailed(MailboxError):
    """The mailbox's SMTP listener did not start."""


@dataclass(frozen=True)
class Letter:
    """One received message: its envelope (RFC 5321) and its source exactly as it was received."""

    name: str
    sender: str
    recipients: tuple[str, ...]
    source: bytes

    @property
    def received_at(self) -> datetime:
        return datetime.fromtimestamp(int(self.name[:20]) / 1_000_000_000, UTC)

    @cached_property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.source, policy=policy.default)

    @property
    def is_text_message(self) -> bool:
        """It went to a phone: `sender` and `recipients` are numbers."""
        return str(self.message.get("Message-Context", "")) == TEXT_CONTEXT

    @property
    def text(self) -> str:
        """The plain text part, decoded; empty when there is none."""
        return _content(self.message.get_body(("plain",)))

    @property
    def html(self) -> str:
        """The HTML part, decoded and as hostile as its sender; empty when there is none."""
        return _content(self.message.get_body(("html",)))

    @property
    def one_click_url(self) -> str:
        """Where a mail provider posts `List-Unsubscribe=One-Click` (RFC 8058), if anywhere."""
        if "List-Unsubscribe-Post" not in self.message:
            return ""
        found = WEB_ADDRESS.search(str(self.message["List-Unsubscribe"] or ""))
        return found[1] if found else ""


class Mailbox:
    """The folder of received messages. Names sort in the order of arrival."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).resolve()

    def names(self, *, to: str = "") -> list[str]:
        """Names of the kept messages, oldest first; those to one recipient when `to` is set."""
        if not self.folder.is_dir():
            return []
        names = sorted(name for name in os.listdir(self.folder) if NAME.fullmatch(name))
        return [name for name in names if self._is_to(name, to)] if to else names

    def letters(self, *, to: str = "") -> list[Letter]:
        """The kept messages whole, oldest first; only those to one recipient when `to` is set."""
        return self.read_all(self.names(to=to))

    def read_all(self, names: list[str]) -> list[Letter]:
        """The messages of these names, without those that made room for newer ones meanwhile."""
        letters = []
        for name in names:
            try:
                letters.append(self.read(name))
            except NoSuchLetter:
                continue
        return letters

    def read(self, name: str) -> Letter:
        """Raise `NoSuchLetter` when the name is none of ours or the message is gone."""
        if not NAME.fullmatch(name):
            raise NoSuchLetter
        try:
            kept = (self.folder / name).read_bytes()
        except FileNotFoundError:
            raise NoSuchLetter from None
        sender, recipients, source = _split(kept)
        return Letter(name, sender, recipients, source)

    def _is_to(self, name: str, recipient: str) -> bool:
        try:
            return recipient.casefold() in (to.casefold() for to in self.read(name).recipients)
        except NoSuchLetter:
            return False


class Keeper:
    """The one writer of a folder: adds messages and drops the oldest beyond `limit` bytes."""

    def __init__(self, mailbox: Mailbox, *, limit: int = LIMIT) -> None:
        self.folder = mailbox.folder
        self.limit = limit
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = [self.folder / name for name in mailbox.names()]
        self._kept = deque((path, _room(path.stat().st_size)) for path in paths)
        self._room = sum(room for _, room in self._kept)
        self._last = 0
        self._lock = Lock()

    def keep(self, sender: str, recipients: list[str], source: bytes) -> str:
        """Store one message, visible only when complete, and return its name."""
        with self._lock:
            return self._keep(_join(sender, recipients, source))

    def _keep(self, kept: bytes) -> str:
        # Two messages of one tick of the clock still sort in the order of arrival.
        self._last = max(self._last + 1, time.time_ns())
        path = self.folder / f"{self._last:020d}-{os.getpid()}.eml"
        draft = path.with_suffix(".part")
        draft.write_bytes(kept)
        draft.rename(path)
        self._kept.append((path, _room(len(kept))))
        self._room += _room(len(kept))
        while self._room > self.limit and len(self._kept) > 1:
            oldest, room = self._kept.popleft()
            oldest.unlink(missing_ok=True)
            self._room -= room
        return path.name


@dataclass(frozen=True)
class Listener:
    """A running listener process; `stop` ends it, its messages stay. `text_port` takes text messages."""

    process: "subprocess.Popen[str]"
    host: str
    port: int
    text_port: int

    @property
    def sms_url(self) -> str:
        """The setting under which texts come here; any account and token do."""
        return f"http://mailbox:development@{self.host}:{self.text_port}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)
        if self.process.stdout:
            self.process.stdout.close()


def listen(folder: Path | str, *, port: int = 0) -> Listener:
    """Start the listener as a child process and return once it accepts connections.

    A taken port is replaced by a free one. Raise `ListenerFailed` when the process ends instead.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "config.mailbox",
            "--port",
            str(port),
            "--folder",
            Path(folder).resolve(),
        ],
        cwd=environment.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.stdout.close()
        raise ListenerFailed(f"The mailbox's SMTP listener ended with {process.wait()}.")
    host, *ports = line.strip().split(":")
    return Listener(process, host, *map(int, ports))


def _room(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _join(sender: str, recipients: list[str], source: bytes) -> bytes:
    # As a final delivery would (RFC 5321 §4.4). Return-Path comes last, so it ends the envelope
    # even where the message itself begins with such lines.
    lines = [f"Delivered-To: {recipient}\r\n" for recipient in recipients]
    lines.append(f"Return-Path: <{sender}>\r\n")
    return "".join(lines).encode() + source


def _split(kept: bytes) -> tuple[str, tuple[str, ...], bytes]:
    """The sender, the recipients and the source."""
    head, _, rest = kept.partition(b"Return-Path: <")
    sender, _, source = rest.partition(b">\r\n")
    lines = head.decode().splitlines()
    return sender.decode(), tuple(line.removeprefix("Delivered-To: ") for line in lines), source


def _content(part: MIMEPart | None) -> str:
    if part is None:
        return ""
    try:
        return str(part.get_content(errors="replace"))
    except LookupError:  # a charset that Python does not know
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
