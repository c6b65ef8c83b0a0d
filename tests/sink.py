"""A fast SMTP sink in a process of its own, for tests and benchmarks.

`with Sink() as sink:` starts it on a free port; `python -m tests.sink` runs it in the foreground.
One thread, one epoll loop, no object per message but a line in the log: monotonic nanoseconds (the
clock is shared by all processes of a machine), recipient and return path. It keeps no content unless asked.

Besides SMTP it understands `XCOUNT` (answers how many messages it took), `XFLUSH` (writes the log
out), `XMODE {json}` (changes its `Mode` while it runs) and `XNEW` (forgets whatever it took).
"""

import argparse
import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, Self

_OFFER = "PIPELINING 8BITMIME SMTPUTF8 SIZE=52428800"
_END = b"\r\n.\r\n"


@dataclass(slots=True)
class Mode:
    """How the sink behaves.

    `refuse` maps a regular expression over recipients to the reply to RCPT. `drop_before` and
    `drop_after` close the connection at every n-th message before its final dot is read to the end,
    or after it without a reply. `delay` is seconds before each message is answered.
    """

    offer: str = _OFFER
    refuse: dict[str, str] = field(default_factory=dict)
    greeting: str = "220 sink ESMTP"
    final: str = "250 2.0.0 Ok: queued as {number}"
    drop_before: int = 0
    drop_after: int = 0
    delay: float = 0.0


class Taken(NamedTuple):
    """A message that the sink took: when (seconds, `time.monotonic`), for whom, and its return path."""

    at: float
    recipient: str
    sender: str


class Sink:
    """A sink process. `log` is read by `taken`, `content` with `keep=True` by `messages`."""

    def __init__(self, mode: Mode | None = None, *, keep: bool = False, port: int = 0) -> None:
        self._mode = mode or Mode()
        self._keep = keep
        self._port = port

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="sink")
        folder = Path(self._folder.name)
        self._log, self._content = folder / "log", folder / "content"
        command = [sys.executable, str(Path(__file__)), "--port", str(self._port)]
        command += ["--log", str(self._log), "--mode", json.dumps(asdict(self._mode))]
        if self._keep:
            command += ["--keep", str(self._content)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.host, self.port = "127.0.0.1", int(self.process.stdout.readline())
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._folder.cleanup()

    def count(self) -> int:
        """How many messages it took."""
        return int(self._ask("XCOUNT"))

    def change(self, mode: Mode) -> None:
        """Behave like this from now on."""
        self._ask("XMODE " + json.dumps(asdict(mode)))

    def forget(self) -> None:
        """Behave as it did at first, and forget what it took."""
        self.change(self._mode)
        self._ask("XNEW")

    def taken(self) -> list[Taken]:
        """The messages it took, in order."""
        self._ask("XFLUSH")
        lines = self._log.read_text().splitlines()
        parts = (line.split("\t") for line in lines)
        return [Taken(int(at) / 1e9, recipient, sender) for at, recipient, sender in parts]

    def messages(self) -> list[bytes]:
        """The contents it took with `keep=True`, in order, dots unstuffed."""
        self._ask("XFLUSH")
        raw = self._content.read_bytes()
        found: list[bytes] = []
        while raw:
            size, _, rest = raw.partition(b"\n")
            found.append(rest[: int(size)])
            raw = rest[int(size) :]
        return found

    def _ask(self, command: str) -> str:
        with socket.create_connection((self.host, self.port), 10) as sock:
            file = sock.makefile("rwb")
            file.readline()
            file.write(command.encode() + b"\r\n")
            file.flush()
            return file.readline().decode()[4:].strip()


class _Peer:
    __slots__ = ("buffer", "in_data", "recipient", "scanned", "sender", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.buffer = b""
        self.in_data = False
        self.sender = self.recipient = b""
        self.scanned = 0


class _Server:
    def __init__(self, mode: Mode, log: Path, keep: Path | None, port: int) -> None:
        self._log = log.open("ab", buffering=1 << 20)
        self._keep = keep.open("ab", buffering=1 << 20) if keep else None
        self._listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener, select.EPOLLIN)
        self._peers: dict[int, _Peer] = {}
        self._count = 0
        self._seen = 0
        self._stopped = False
        self._set(mode)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _set(self, mode: Mode) -> None:
        self._mode = mode
        self._greeting = mode.greeting.encode() + b"\r\n"
        names = ["sink", *(word.replace("=", " ") for word in mode.offer.split())]
        lines = [f"250-{name}" for name in names[:-1]] + [f"250 {names[-1]}"]
        self._hello = "".join(f"{line}\r\n" for line in lines).encode()
        self._refuse = [
            (re.compile(pattern.encode()), reply.encode() + b"\r\n")
            for pattern, reply in mode.refuse.items()
        ]
        final, found, rest = mode.final.partition("{number}")
        self._final = (final.encode(), found, rest.encode() + b"\r\n")
        self._is_faulty = bool(mode.drop_before or mode.drop_after or mode.delay)

    def stop(self, *_: object) -> None:
        self._stopped = True

    def run(self) -> None:
        listener = self._listener.fileno()
        while not self._stopped:
            events = self._epoll.poll(0.5)
            if not events:
                self._flush()
            for number, _ in events:
                if number == listener:
                    self._accept()
                elif number in self._peers:
                    self._read(self._peers[number])
        self._flush()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peers[sock.fileno()] = _Peer(sock)
        self._epoll.register(sock, select.EPOLLIN)
        with contextlib.suppress(OSError):
            sock.send(self._greeting)
        if not self._greeting.startswith(b"220"):
            self._close(self._peers[sock.fileno()])

    def _close(self, peer: _Peer) -> None:
        self._peers.pop(peer.socket.fileno(), None)
        with contextlib.suppress(OSError):
            self._epoll.unregister(peer.socket)
        peer.socket.close()

    def _read(self, peer: _Peer) -> None:
        try:
            octets = peer.socket.recv(262144)
            if not octets:
                self._close(peer)
                return
            peer.buffer = peer.buffer + octets if peer.buffer else octets
            answer = b"".join(self._answers(peer))
            if answer:
                peer.socket.sendall(answer)
        except (OSError, _Dropped):
            self._close(peer)

    def _answers(self, peer: _Peer) -> Iterator[bytes]:
        while peer.buffer:
            if peer.in_data:
                end = peer.buffer.find(_END, max(0, peer.scanned - 4))
                if end < 0 and not peer.buffer.startswith(b".\r\n"):
                    peer.scanned = len(peer.buffer)
                    return
                yield self._take(peer, end)
                continue
            line, found, rest = peer.buffer.partition(b"\n")
            if not found:
                return
            peer.buffer = rest
            yield self._command(peer, line.rstrip(b"\r"))

    def _take(self, peer: _Peer, end: int) -> bytes:
        if peer.buffer.startswith(b".\r\n"):
            peer.buffer, content = peer.buffer[3:], b""
        else:
            content, peer.buffer = peer.buffer[: end + 2], peer.buffer[end + 5 :]
        peer.in_data = False
        peer.scanned = 0
        if not peer.recipient:
            return b"554 5.5.1 no valid recipients\r\n"
        if self._is_faulty:
            self._fail(before=True)
        self._count += 1
        self._log.write(b"%d\t%s\t%s\n" % (time.monotonic_ns(), peer.recipient, peer.sender))
        if self._keep:
            content = content.replace(b"\r\n..", b"\r\n.")
            content = content[1:] if content.startswith(b"..") else content
            self._keep.write(b"%d\n" % len(content) + content)
        if self._is_faulty:
            self._fail(before=False)
        start, numbered, rest = self._final
        return b"%s%d%s" % (start, self._count, rest) if numbered else start + rest

    def _fail(self, *, before: bool) -> None:
        every = self._mode.drop_before if before else self._mode.drop_after
        if before:
            self._seen += 1
            time.sleep(self._mode.delay)
        if every and self._seen % every == 0:
            raise _Dropped

    def _command(self, peer: _Peer, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"MAIL":
            peer.sender, peer.recipient = line[line.find(b"<") + 1 : line.find(b">")], b""
            return b"250 2.1.0 Ok\r\n"
        if verb == b"RCPT":
            recipient = line[line.find(b"<") + 1 : line.rfind(b">")]
            for pattern, reply in self._refuse:
                if pattern.search(recipient):
                    return reply
            peer.recipient = recipient
            return b"250 2.1.5 Ok\r\n"
        if verb == b"DATA":
            if not peer.recipient:
                return b"554 5.5.1 no valid recipients\r\n"
            peer.in_data = True
            return b"354 go on\r\n"
        return self._rare(peer, verb, line)

    def _rare(self, peer: _Peer, verb: bytes, line: bytes) -> bytes:
        if verb in {b"EHLO", b"HELO"}:
            return self._hello if verb == b"EHLO" else b"250 sink\r\n"
        if verb == b"XCOU":
            return b"250 %d\r\n" % self._count
        if verb == b"XFLU":
            self._flush()
        elif verb == b"XMOD":
            self._set(Mode(**json.loads(line[6:])))
        elif verb == b"XNEW":
            self._forget(peer)
        elif verb == b"QUIT":
            raise _Dropped
        elif verb not in {b"RSET", b"NOOP"}:
            return b"500 5.5.2 not known\r\n"
        return b"250 2.0.0 Ok\r\n"

    def _forget(self, asking: _Peer) -> None:
        for peer in [*self._peers.values()]:
            if peer is not asking:
                self._close(peer)
        self._count = self._seen = 0
        for file in filter(None, (self._log, self._keep)):
            file.flush()
            if file.seekable():
                file.truncate(0)

    def _flush(self) -> None:
        self._log.flush()
        if self._keep:
            self._keep.flush()


class _Dropped(Exception):
    """The sink closes this connection on purpose."""


def main() -> None:
    """Run a sink in the foreground until SIGTERM; prints its port."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, default=Path(os.devnull))
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--mode", default="{}")
    options = parser.parse_args()
    server = _Server(Mode(**json.loads(options.mode)), options.log, options.keep, options.port)
    signal.signal(signal.SIGTERM, server.stop)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main()
