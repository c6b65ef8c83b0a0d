"""One SMTP session (RFC 5321): greeting, TLS, login, and exact words on how it ended."""

import base64
import contextlib
import re
import select
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from campaigns import replies
from campaigns.transports import masked
from contacts.models import Sentence

Security = Literal["none", "starttls", "tls"]
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}
_NO_LOGIN = Sentence("the relay refused the login: %s")
_LONGEST_REPLY = 64 * 1024
_ASKED = re.compile(rb"2\d\d [^\n]*\n2\d\d [^\n]*\n354 [^\n]*\n")


@dataclass(frozen=True, slots=True)
class Relay:
    """Where mail is handed over and how. Times are seconds.

    A connection is replaced after `max_messages` and when it was idle for `max_idle`. `context`
    replaces the default TLS context, which verifies certificate and host name.
    """

    host: str
    port: int = 25
    security: Security = "none"
    username: str = ""
    password: str = ""
    hello: str = ""
    timeout: float = 30.0
    max_messages: int = 10_000
    max_idle: float = 30.0
    context: ssl.SSLContext | None = None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `smtp://user:password@host:port`; `smtp+starttls` and `smtps` mean TLS.

        Raises:
            ValueError: not such a URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError("a relay is smtp://, smtp+starttls:// or smtps://, and a host")
        security, port = _SCHEMES[parts.scheme]
        return cls(
            host=parts.hostname,
            port=parts.port or port,
            security=security,
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


class Lost(Exception):
    """The connection is gone. `written` is how many bytes of the last write had been passed on;
    `is_uncertain` says that more of them may have (TLS)."""

    def __init__(self, written: int = 0, *, is_uncertain: bool = False) -> None:
        super().__init__(written, is_uncertain)
        self.written = written
        self.is_uncertain = is_uncertain


class Refused(Exception):
    """The relay cannot be reached or does not take mail now; `reason` holds no address."""

    def __init__(self, reason: Sentence) -> None:
        super().__init__(reason)
        self.reason = reason


class Reply(NamedTuple):
    """A reply: its code and its lines without the code."""

    code: int
    raw: bytes

    @property
    def is_positive(self) -> bool:
        return self.code // 100 == 2

    @property
    def text(self) -> str:
        return " ".join(self.raw.decode("utf-8", "replace").split())

    @property
    def explained(self) -> Sentence | str:
        """In plain words and its own, without addresses."""
        return replies.explained(f"{self.code} {masked(self.text)}")

    def word_after(self, words: bytes) -> str:
        """The word after `words`, or an empty string."""
        _, _, rest = self.raw.partition(words)
        following = rest.split(None, 1)
        return following[0].decode("ascii", "replace") if following else ""


class Connection:
    """An open session that has said EHLO and, where asked for, STARTTLS and AUTH."""

    def __init__(self, relay: Relay, sock: socket.socket) -> None:
        self._relay = relay
        self._socket = sock
        self._buffer = b""
        self._at = 0
        self._used_at = time.monotonic()
        self._extensions: dict[str, str] = {}
        self.handed = 0
        self._describe()

    def _describe(self) -> None:
        offered = self._extensions
        self.pipelining = "PIPELINING" in offered
        self.eight_bit = "8BITMIME" in offered
        self.utf8 = "SMTPUTF8" in offered
        self.has_size = "SIZE" in offered
        limit = offered.get("SIZE", "")
        self.size_limit = int(limit) if limit.isdigit() else 0

    @classmethod
    def open(cls, relay: Relay) -> Self:
        """Connect and log in.

        Raises:
            Refused: with the reason, which never holds a password.
        """
        try:
            sock = socket.create_connection((relay.host, relay.port), relay.timeout)
        except OSError as error:
            words = Sentence("cannot connect to the relay: “%s”") % str(error.strerror or error)
            raise Refused(words) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = cls(relay, sock)
        try:
            connection._begin()
        except Lost as lost:
            connection.drop()
            words = Sentence("the relay closed the connection before it took mail")
            raise Refused(words) from lost
        except OSError as error:
            connection.drop()
            words = Sentence("no secure connection to the relay: “%s”") % str(error)
            raise Refused(words) from error
        except BaseException:
            connection.drop()
            raise
        return connection

    def _begin(self) -> None:
        if self._relay.security == "tls":
            self._socket = _secured(self._socket, self._relay)
        _expect(self.reply(), Sentence("the relay refused the greeting: %s"))
        self._hello()
        if self._relay.security == "starttls":
            self._start_tls()
        if self._relay.username:
            self._log_in()

    def _hello(self) -> None:
        name = self._relay.hello or socket.gethostname() or "localhost"
        reply = self._ask(f"EHLO {name}")
        if not reply.is_positive:
            _expect(self._ask(f"HELO {name}"), Sentence("the relay refused the HELO: %s"))
            self._extensions = {}
        else:
            lines = reply.raw.decode("ascii", "replace").splitlines()[1:]
            words = [line.upper().partition(" ") for line in lines]
            self._extensions = {name.strip(): rest.strip() for name, _, rest in words}
        self._describe()

    def _start_tls(self) -> None:
        if "STARTTLS" not in self._extensions:
            raise Refused(Sentence("the relay does not offer STARTTLS"))
        _expect(self._ask("STARTTLS"), Sentence("the relay refused the STARTTLS: %s"))
        if self._at < len(self._buffer):
            # Words sent in clear behind the reply would pass for protected ones (CVE-2011-0411).
            raise Refused(Sentence("the relay spoke before TLS was up"))
        self._socket = _secured(self._socket, self._relay)
        self._hello()

    def _log_in(self) -> None:
        relay = self._relay
        mechanisms = self._extensions.get("AUTH", "").split()
        if "PLAIN" in mechanisms:
            token = _base64(f"\0{relay.username}\0{relay.password}")
            _expect(self._ask(f"AUTH PLAIN {token}"), _NO_LOGIN)
        elif "LOGIN" in mechanisms:
            for words in ("AUTH LOGIN", _base64(relay.username)):
                if (reply := self._ask(words)).code != 334:
                    raise Refused(_NO_LOGIN % reply.explained)
            _expect(self._ask(_base64(relay.password)), _NO_LOGIN)
        else:
            raise Refused(Sentence("the relay offers no login that is supported (PLAIN, LOGIN)"))

    def _ask(self, command: str) -> Reply:
        self.write(command.encode() + b"\r\n")
        return self.reply()

    def write(self, octets: bytes) -> None:
        """Write all of it.

        Raises:
            Lost: saying how much of it had been passed on.
        """
        written = 0
        try:
            written = self._socket.send(octets)
            if written < len(octets):
                rest = memoryview(octets)
                while written < len(octets):
                    written += self._socket.send(rest[written:])
        except OSError as error:
            is_tls = isinstance(self._socket, ssl.SSLSocket)
            raise Lost(written, is_uncertain=is_tls) from error

    def is_asked_for_content(self) -> bool:
        """Takes the next three replies off where they have come and let content follow.

        That is nearly always so; where not, they stay for `reply`.
        """
        asked = _ASKED.match(self._buffer, self._at)
        if asked is None:
            return False
        self._at = asked.end()
        return True

    def reply(self) -> Reply:
        """The next reply, waiting for it.

        Raises:
            Lost: the connection ended, timed out, or said something that is no reply.
        """
        start = self._at
        while True:
            end = self._buffer.find(b"\n", self._at)
            if end < 0:
                self._receive(start)
                start = 0
                continue
            line = self._at
            self._at = end + 1
            if self._buffer[line + 3 : line + 4] != b"-":
                break
        raw = self._buffer[start:end]
        try:
            code = int(raw[:3])
        except ValueError as error:
            raise Lost from error
        if b"\n" in raw:
            raw = re.sub(rb"(?m)^\d{3}[ -]?", b"", raw)
            return Reply(code, raw)
        return Reply(code, raw[4:])

    def _receive(self, start: int) -> None:
        """More bytes behind those from `start` on, which move to the front of the buffer."""
        try:
            octets = self._socket.recv(65536)
        except OSError as error:
            raise Lost from error
        if not octets or len(self._buffer) - start > _LONGEST_REPLY:
            raise Lost
        self._buffer = self._buffer[start:] + octets
        self._at -= start
        self._used_at = time.monotonic()

    def is_worn(self, *, now: float) -> bool:
        """Whether it should be replaced: used up, idle too long, or ended by the relay.

        `now` is on the monotonic clock.
        """
        if self.handed >= self._relay.max_messages or now - self._used_at > self._relay.max_idle:
            return True
        # Nothing is due while idle: what can be read is a farewell (421) or the end.
        readable, _, _ = select.select([self._socket], [], [], 0)
        return bool(readable)

    def quit(self) -> None:
        """Say goodbye and close.

        Raises:
            Lost: the relay was gone already.
        """
        self.write(b"QUIT\r\n")
        self.drop()

    def drop(self) -> None:
        """Close at once: what has no final dot yet is not delivered."""
        with contextlib.suppress(OSError):
            self._socket.close()


def _expect(reply: Reply, refusal: Sentence) -> None:
    if not reply.is_positive:
        raise Refused(refusal % reply.explained)


def _secured(sock: socket.socket, relay: Relay) -> ssl.SSLSocket:
    context = relay.context or ssl.create_default_context()
    return context.wrap_socket(sock, server_hostname=relay.host)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
