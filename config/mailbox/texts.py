"""The listener's other door: an SMS gateway on loopback that keeps every text and passes none on.

It speaks the part of Twilio's Messages API that Assent uses, and reports each text as delivered, signed, to
the address on this machine that asks for it. A kept text is a message of its own kind (RFC 3458).
"""

import base64
import contextlib
import json
import re
import uuid
from email.message import EmailMessage
from email.policy import SMTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Thread
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import requests

from config.mailbox import TEXT_CONTEXT, Keeper
from consent.sms.signature import LOOPBACK, sign

MESSAGES = re.compile(r"/2010-04-01/Accounts/([^/]+)/Messages\.json")
NUMBER = re.compile(r"\+[1-9]\d{6,14}")
LONGEST = 64 * 1024
REPORT_S = 10


class Report(NamedTuple):
    """What is to be told about a text, and whose token signs it."""

    url: str
    form: dict[str, list[str]]
    token: str


class TextServer(ThreadingHTTPServer):
    """Takes texts on a free port of `host`; reports on them from a thread of its own."""

    daemon_threads = True

    def __init__(self, host: str, keeper: Keeper) -> None:
        super().__init__((host, 0), _Door)
        self.keeper = keeper
        self.reports: Queue[Report] = Queue()

    def start(self) -> None:
        for work in (self.serve_forever, self._report):
            Thread(target=work, daemon=True).start()

    def _report(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                report = self.reports.get()
                signature = sign(report.url, report.form, token=report.token)
                with contextlib.suppress(requests.RequestException):
                    session.post(
                        report.url,
                        data=report.form,
                        headers={"X-Twilio-Signature": signature},
                        timeout=REPORT_S,
                    )


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TextServer

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        if size > LONGEST:
            self.close_connection = True
            self._answer(413, {"code": 21617, "status": 413})
            return
        body = self.rfile.read(size).decode("utf-8", "replace")
        form = {name: values[-1] for name, values in parse_qs(body).items()}
        asked, account, token = MESSAGES.fullmatch(self.path), *self._credentials()
        if not asked:
            self._answer(404, {"code": 20404, "status": 404})
        elif account != asked[1] or not token:
            self._answer(401, {"code": 20003, "status": 401})
        elif not NUMBER.fullmatch(form.get("To", "")):
            self._answer(400, {"code": 21211, "status": 400})
        elif not form.get("Body"):
            self._answer(400, {"code": 21602, "status": 400})
        else:
            self._take(form, account, token)

    def _take(self, form: dict[str, str], account: str, token: str) -> None:
        sid = f"SM{uuid.uuid4().hex}"
        sender = form.get("From") or form.get("MessagingServiceSid", "")
        message = _message(sender, form["To"], form["Body"])
        try:
            self.server.keeper.keep(sender, [form["To"]], message)
        except OSError:
            self._answer(503, {"code": 20503, "status": 503})
            return
        self._answer(201, {"sid": sid, "account_sid": account, "status": "queued"})
        url = form.get("StatusCallback", "")
        if urlsplit(url).hostname in LOOPBACK:
            said = {"AccountSid": account, "MessageSid": sid, "MessageStatus": "delivered"}
            report = {name: [value] for name, value in said.items()}
            self.server.reports.put(Report(url, report, token))

    def _credentials(self) -> tuple[str, str]:
        kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
        try:
            account, _, token = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return (account, token) if kind.lower() == "basic" else ("", "")

    def _answer(self, status: int, answer: dict[str, object]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """What passes here names people."""


def _message(sender: str, to: str, body: str) -> bytes:
    message = EmailMessage(policy=SMTP.clone(utf8=True))
    message["Message-Context"] = TEXT_CONTEXT
    message["X-From"] = sender
    message["X-To"] = to
    message.set_content(body, cte="8bit")
    return message.as_bytes()
