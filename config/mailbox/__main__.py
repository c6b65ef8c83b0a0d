"""The listener: an SMTP server and an SMS gateway on loopback that keep every message and pass none on.

Its first line of output is `host:SMTP port:HTTP port`, printed once it accepts connections.
"""

import argparse
import asyncio
import errno
import signal
import sys
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from config.mailbox import Keeper, Mailbox
from config.mailbox.texts import TextServer

HOST = "127.0.0.1"
LARGEST = 32 * 1024 * 1024


class Door:
    """What the SMTP server asks at each step (aiosmtpd names the hooks)."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper

    async def handle_EHLO(  # noqa: N802
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        # The server reads commands one by one from its buffer, which is all RFC 2920 asks of it.
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        sender = (envelope.mail_from or "").strip("<>")  # a bounce comes from `<>`
        source = envelope.original_content or b""
        try:
            name = self.keeper.keep(sender, envelope.rcpt_tos, source)
        except OSError as error:
            return f"452 The mailbox cannot keep this message: {error.strerror}"
        return f"250 Kept as {name}"


async def listen(folder: Path, port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    keeper = Keeper(Mailbox(folder))
    door, texts = Door(keeper), TextServer(HOST, keeper)

    def connection() -> SMTP:
        return SMTP(
            door, data_size_limit=LARGEST, enable_SMTPUTF8=True, hostname="localhost", loop=loop
        )

    try:
        server = await loop.create_server(connection, HOST, port)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        server = await loop.create_server(connection, HOST, 0)
    host, bound = server.sockets[0].getsockname()[:2]
    texts.start()
    print(f"{host}:{bound}:{texts.server_port}", flush=True)  # noqa: T201
    await stopped.wait()
    server.close()
    texts.shutdown()
    texts.server_close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m config.mailbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the wished port; 0 takes a free one")
    parser.add_argument("--folder", type=Path, required=True, help="where the messages are kept")
    arguments = parser.parse_args()
    try:
        asyncio.run(listen(arguments.folder, arguments.port))
    except OSError as error:
        sys.exit(f"The mailbox cannot start: {error}")


if __name__ == "__main__":
    main()
