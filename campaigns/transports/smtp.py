"""SMTP for large sends: one kept connection, commands pipelined, the fate of each message exact.

With PIPELINING (RFC 2920) the commands of the next message travel with the content of this one, so
a message costs one round trip. Content is written only after its own 354, one message at a time:
when a connection is lost, at most one message has its final dot out and its reply unread.
"""

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from campaigns import replies
from campaigns.transports import (
    NOT_TRIED,
    Envelope,
    Outcome,
    RelayDown,
    Result,
    masked,
    result,
)
from campaigns.transports.connection import Connection, Lost, Refused, Relay, Reply
from contacts.models import Sentence

_TAKEN = b"queued as "
_DATA = b"DATA\r\n"
_ADDRESS = re.compile(r"[^\s<>]+@[^\s<>@]+|")


class SmtpTransport:
    """Hands messages to one relay; see `Transport`."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._connection: Connection | None = None

    def hand_over(self, messages: Sequence[Envelope], *, go_on: Callable[[], bool]) -> list[Result]:
        """See `Transport.hand_over`."""
        unit = _Unit(messages, go_on)
        if messages and go_on():
            self._talk(unit, is_kept=self._is_usable())
        return unit.results

    def _talk(self, unit: "_Unit", *, is_kept: bool) -> None:
        try:
            unit.run(self._open())
        except (Lost, Refused) as error:
            self._drop()
            if is_kept and not unit.has_begun:
                # The relay closed an idle connection while the unit set out: nothing was lost.
                self._talk(unit, is_kept=False)
            elif isinstance(error, Refused):
                raise RelayDown(error.reason, unit.results) from error
        except BaseException:
            self._drop()
            raise

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = Connection.open(self._relay)
        return self._connection

    def _is_usable(self) -> bool:
        """Whether a connection is kept that the next unit may use."""
        if self._connection is None:
            return False
        if self._connection.is_worn(now=time.monotonic()):
            self.close()
        return self._connection is not None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    def close(self) -> None:
        """See `Transport.close`."""
        if self._connection is not None:
            with contextlib.suppress(Lost):
                self._connection.quit()
        self._drop()


class _Unit:
    """The messages of one hand-over and what became of them so far."""

    def __init__(self, messages: Sequence[Envelope], go_on: Callable[[], bool]) -> None:
        self.messages = messages
        self.results: list[Result] = [NOT_TRIED] * len(messages)
        self.has_begun = False
        self.go_on = go_on

    def run(self, connection: Connection) -> None:
        """Hand the messages over, from the first.

        Raises:
            Lost: the connection is gone; the results say what is known.
            Refused: the relay takes nothing more now.
        """
        session = _Session(self, connection)
        is_introduced = False
        ready = session.prepare(0)
        for index in range(len(self.messages)):
            if not is_introduced and not self.go_on():
                return
            if ready is None or not session.introduce(index, ready, is_introduced):
                is_introduced = False
                ready = session.prepare(index + 1)
                continue
            following = session.prepare(index + 1)
            if not self.go_on():
                # After 354 only content can follow; closed before the dot, nothing is delivered.
                self.results[index] = NOT_TRIED
                raise Lost
            is_introduced = session.send(index, ready, following)
            ready = following


class _Session:
    """The moves of one unit on one connection."""

    def __init__(self, unit: _Unit, connection: Connection) -> None:
        self._unit = unit
        self._messages = unit.messages
        self._results = unit.results
        self._connection = connection

    def prepare(self, index: int) -> "_Ready | None":
        """A message as it is said, or None when there is none or this relay cannot take it."""
        if index >= len(self._messages):
            return None
        envelope, connection = self._messages[index], self._connection
        try:
            content = envelope.letter.for_smtp(eight_bit=connection.eight_bit)
            ready = _ready(connection, envelope, content)
        except ValueError as error:
            reason = masked(str(error), envelope.recipient)
            self._results[index] = Result(Outcome.REFUSED, status="5.1.3", diagnostic=reason)
            return None
        if connection.size_limit and len(content) > connection.size_limit:
            self._results[index] = _TOO_LARGE
            return None
        return ready

    def introduce(self, index: int, ready: "_Ready", is_introduced: bool) -> bool:
        """MAIL, RCPT and DATA; returns whether the relay asked for the content."""
        connection = self._connection
        self._results[index] = _LOST_BEFORE
        if not is_introduced:
            connection.write(ready.group if connection.pipelining else ready.mail)
        if connection.pipelining and connection.is_asked_for_content():
            self._unit.has_begun = True
            return True
        replies = [self._mail_reply(index)]
        for command in (ready.rcpt, _DATA):
            if not connection.pipelining:
                if replies[-1].code >= 300:
                    break
                connection.write(command)
            replies.append(connection.reply())
        if replies[-1].code == 354:
            if replies[0].is_positive and replies[1].is_positive:
                return True
            # RFC 2920 §3.1: content is wanted although nobody is to get it: end it at once.
            connection.write(b".\r\n")
            connection.reply()
        self._settle_refused(index, replies)
        return False

    def _mail_reply(self, index: int) -> Reply:
        reply = self._connection.reply()
        if reply.code == 421:
            self._results[index] = NOT_TRIED
            raise _closed(reply)
        self._unit.has_begun = True
        if reply.code >= 500 and reply.code != 552:
            # The sender is refused, not the recipient: every other message would be, too.
            self._results[index] = NOT_TRIED
            raise Refused(Sentence("the relay refused the sender: %s") % reply.explained)
        return reply

    def _settle_refused(self, index: int, replies: list[Reply]) -> None:
        reply = next((reply for reply in replies if reply.code >= 400), None)
        if reply is None:
            raise Lost
        self._results[index] = _judged(reply, self._messages[index].recipient)
        if reply.code == 421:
            raise _closed(reply)
        self._connection.write(b"RSET\r\n")
        self._connection.reply()

    def send(self, index: int, ready: "_Ready", following: "_Ready | None") -> bool:
        """The content with its dot, and with them the next message's commands.

        Returns whether those are on their way.
        """
        connection = self._connection
        group = b""
        if following is not None and connection.pipelining and self._unit.go_on():
            group = following.group
        try:
            connection.write(ready.content + group)
        except Lost as lost:
            if lost.written >= len(ready.content) or lost.is_uncertain:
                self._results[index] = _LOST_AFTER
            raise
        self._results[index] = _LOST_AFTER
        if group:
            self._results[index + 1] = _LOST_BEFORE
        reply = connection.reply()
        self._results[index] = _judged(reply, self._messages[index].recipient)
        connection.handed += 1
        if reply.code == 421:
            if group:
                self._results[index + 1] = NOT_TRIED
            raise _closed(reply)
        return bool(group)


_LOST_BEFORE = Result(Outcome.DEFERRED, diagnostic=replies.LOST_BEFORE.text)
_LOST_AFTER = Result(Outcome.UNKNOWN, diagnostic=replies.LOST_AFTER.text)
_TOO_LARGE = Result(Outcome.REFUSED, status="5.3.4", diagnostic=replies.TOO_LARGE.text)


def _closed(reply: Reply) -> Refused:
    return Refused(Sentence("the relay closed the session: %s") % reply.explained)


def _path(address: str, *, is_utf8: bool) -> bytes:
    """An address as it stands in MAIL and RCPT; empty for the null return path."""
    local, _, domain = address.rpartition("@")
    if not address.isprintable() or not _ADDRESS.fullmatch(address):
        raise ValueError(replies.NO_SMTP_ADDRESS.text)
    if address.isascii():
        return address.encode()
    if not local.isascii() and not is_utf8:
        raise ValueError(replies.NEEDS_UTF8.text)
    return local.encode() + b"@" + domain.encode("idna")


_path_of_sender = lru_cache(maxsize=16)(_path)


class _Ready(NamedTuple):
    """What is said of one message; `group` are its commands where they may be pipelined."""

    mail: bytes
    rcpt: bytes
    content: bytes

    @property
    def group(self) -> bytes:
        return self.mail + self.rcpt + _DATA


def _ready(connection: Connection, envelope: Envelope, content: bytes) -> _Ready:
    parameters = b" SIZE=%d" % len(content) if connection.has_size else b""
    if connection.eight_bit:
        parameters += b" BODY=8BITMIME"
    if connection.utf8 and envelope.letter.needs_utf8:
        parameters += b" SMTPUTF8"
    sender = _path_of_sender(envelope.sender, is_utf8=connection.utf8)
    recipient = _path(envelope.recipient, is_utf8=connection.utf8)
    return _Ready(
        b"MAIL FROM:<%s>%s\r\n" % (sender, parameters), b"RCPT TO:<%s>\r\n" % recipient, content
    )


def _judged(reply: Reply, recipient: str) -> Result:
    if reply.is_positive:
        return Result(Outcome.SENT, reply.code, "", "", reply.word_after(_TAKEN))
    if 400 <= reply.code < 500:
        return result(Outcome.DEFERRED, reply.code, reply.text, recipient=recipient)
    if 500 <= reply.code < 600:
        return result(Outcome.REFUSED, reply.code, reply.text, recipient=recipient)
    return result(Outcome.UNKNOWN, reply.code, reply.text, recipient=recipient)
