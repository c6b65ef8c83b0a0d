"""An SMS gateway for tests: real HTTP on loopback, with the answers a test asks for.

`with TextGateway() as gateway:` takes every text; `answers` are given first, one per request: a status with
a body, `DROP` (the request is read and the connection closed) or `HANG` (no answer until the end).
"""

import json
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Event, Lock, Thread
from typing import Any, Self
from urllib.parse import parse_qs

from django.conf import LazySettings

ACCOUNT, TOKEN = "AC0123456789", "a token of tests"
Answer = tuple[int, dict[str, Any]]
DROP: Answer = (0, {})
HANG: Answer = (-1, {})


class TextGateway:
    """`texts` are the forms that were accepted, `asked` how many requests there were."""

    def __init__(self) -> None:
        self.texts: list[dict[str, str]] = []
        self.authorizations: set[str] = set()
        self.answers: deque[Answer] = deque()
        self.always: Answer | None = None
        self.asked = 0
        self.closed = Event()
        self._lock, self._numbers = Lock(), count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.sms_url = (
            f"http://{ACCOUNT}:{TOKEN.replace(' ', '%20')}@127.0.0.1:{self._server.server_port}"
        )

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, form: dict[str, str], authorization: str) -> Answer:
        with self._lock:
            self.asked += 1
            self.authorizations.add(authorization)
            answer = self.answers.popleft() if self.answers else self.always
            if answer is None:
                self.texts.append(form)
                answer = 201, {"sid": f"SM{next(self._numbers):032x}", "status": "queued"}
            return answer

    def bodies(self, to: str) -> list[str]:
        return [text["Body"] for text in self.texts if text["To"] == to]


def use(gateway: TextGateway, settings: LazySettings) -> None:
    """Send texts there, to France and Belgium."""
    settings.SMS_GATEWAY_URL = gateway.url
    settings.SMS_ACCOUNT, settings.SMS_AUTH_TOKEN = ACCOUNT, TOKEN
    settings.SMS_FROM, settings.SMS_COUNTRIES = "+33700000000", ["FR", "BE"]


def _handler(gateway: TextGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[-1] for name, values in parse_qs(body).items()}
            status, answer = gateway.take(form, self.headers.get("Authorization", ""))
            if status <= 0:
                if (status, answer) == HANG:
                    gateway.closed.wait(30)
                self.close_connection = True
                return
            content = json.dumps(answer).encode() if answer else b"<h1>no JSON</h1>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """Tests keep quiet."""

    return Handler
