"""Any Django email backend: its exceptions and its silence become outcomes."""

import email
import email.policy
import json
import smtplib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from campaigns.transports import Outcome, RelayDown
from campaigns.transports.backend import BackendTransport
from tests.campaigns.letters import LINKS, envelopes
from tests.sink import Mode, Sink

SMTP = "django.core.mail.backends.smtp.EmailBackend"
POSTMARK = "anymail.backends.postmark.EmailBackend"
PEOPLE = ("ada@example.org", "bo@example.org", "cy@example.org")
SENT, NOT_TRIED = Outcome.SENT, Outcome.NOT_TRIED


def always() -> bool:
    return True


def outcomes(results):
    return [result.outcome for result in results]


class Raising(BaseEmailBackend):
    """A backend that raises what it is given."""

    def __init__(self, error=None, taken=1, **options):
        super().__init__(**options)
        self.error = error
        self.taken = taken

    def send_messages(self, email_messages):
        if self.error:
            raise self.error
        return self.taken


def raising(**options):
    return BackendTransport("tests.campaigns.test_backend_transport.Raising", **options)


def test_it_sends_through_djangos_smtp_backend_on_one_connection():
    with Sink(keep=True) as sink:
        transport = BackendTransport(SMTP, host=sink.host, port=sink.port)
        results = transport.hand_over(envelopes(*PEOPLE), go_on=always)
        results += transport.hand_over(envelopes("dee@example.org"), go_on=always)
        transport.close()
        taken, contents = sink.taken(), sink.messages()
    assert outcomes(results) == [SENT] * 4
    assert [each.recipient for each in taken] == [*PEOPLE, "dee@example.org"]
    message = email.message_from_bytes(contents[0], policy=email.policy.default)
    assert message["List-Unsubscribe"] == f"<{LINKS['unsubscribe_url']}>"
    assert message["From"] == "Acmé News <news@acme.example>"


def test_it_keeps_the_return_path_apart_from_the_sender():
    transport = BackendTransport("django.core.mail.backends.locmem.EmailBackend")
    transport.hand_over(envelopes("ada@example.org"), go_on=always)
    (sent,) = mail.outbox
    assert sent.from_email == "bounces@acme.example"
    assert sent.message()["From"] == "=?utf-8?q?Acm=C3=A9_News?= <news@acme.example>"


def test_it_goes_on_when_one_recipient_is_refused():
    refuse = {"^bo@": "550 5.1.1 bo@example.org unknown", "^cy@": "451 4.2.0 later"}
    with Sink(Mode(refuse=refuse)) as sink:
        transport = BackendTransport(SMTP, host=sink.host, port=sink.port)
        results = transport.hand_over(envelopes(*PEOPLE, "dee@example.org"), go_on=always)
        transport.close()
    assert outcomes(results) == [SENT, Outcome.REFUSED, Outcome.DEFERRED, SENT]
    assert (results[1].code, results[1].status) == (550, "5.1.1")
    assert "bo@" not in results[1].diagnostic


def test_it_says_unknown_and_stops_when_the_connection_is_lost():
    with Sink(Mode(drop_after=2)) as sink:
        transport = BackendTransport(SMTP, host=sink.host, port=sink.port)
        results = transport.hand_over(envelopes(*PEOPLE), go_on=always)
        assert outcomes(results) == [SENT, Outcome.UNKNOWN, NOT_TRIED]
        sink.change(Mode())
        again = transport.hand_over(envelopes("dee@example.org"), go_on=always)
        transport.close()
    assert outcomes(again) == [SENT]


@contextmanager
def closing_at(verb: str) -> Iterator[int]:
    """A relay that takes one message and closes the connection at this command of the second."""
    replies = {"EHLO": "250 relay", "MAIL": "250 Ok", "RCPT": "250 Ok", "DATA": "354 go on"}
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        taken = 0
        with peer, peer.makefile("rwb") as file:
            file.write(b"220 relay\r\n")
            file.flush()
            while line := file.readline().decode():
                if taken and line[:4].upper() == verb:
                    return
                if line == ".\r\n":
                    taken += 1
                    file.write(b"250 Ok\r\n")
                elif line[:4].upper() in replies:
                    file.write(f"{replies[line[:4].upper()]}\r\n".encode())
                file.flush()

    thread = Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
def test_it_puts_off_and_stops_when_the_connection_is_lost_before_the_content(verb):
    with closing_at(verb) as port:
        transport = BackendTransport(SMTP, host="127.0.0.1", port=port)
        results = transport.hand_over(envelopes(*PEOPLE), go_on=always)
        transport.close()
    assert outcomes(results) == [SENT, Outcome.DEFERRED, NOT_TRIED]
    assert results[1].code == 0


def test_it_reconnects_when_the_relay_closed_while_idle():
    with Sink() as sink:
        port = sink.port
        transport = BackendTransport(SMTP, host=sink.host, port=port)
        transport.hand_over(envelopes("ada@example.org"), go_on=always)
    with Sink(port=port) as other:
        results = transport.hand_over(envelopes(*PEOPLE), go_on=always)
        transport.close()
        assert other.count() == 3
    assert outcomes(results) == [SENT] * 3


def test_it_pauses_when_nobody_answers():
    with Sink() as sink:
        port = sink.port
    with pytest.raises(RelayDown):
        BackendTransport(SMTP, host="127.0.0.1", port=port).hand_over(
            envelopes(*PEOPLE), go_on=always
        )


def test_it_stops_when_told_to():
    asked = iter([True, True, False])
    results = raising().hand_over(envelopes(*PEOPLE), go_on=lambda: next(asked))
    assert outcomes(results) == [SENT, NOT_TRIED, NOT_TRIED]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (smtplib.SMTPDataError(451, b"4.3.0 later"), Outcome.DEFERRED),
        (smtplib.SMTPDataError(554, b"5.6.0 no"), Outcome.REFUSED),
        (smtplib.SMTPSenderRefused(451, b"later", "a@b"), Outcome.DEFERRED),
        (smtplib.SMTPSenderRefused(552, b"5.3.4 large", "a@b"), Outcome.REFUSED),
        (smtplib.SMTPServerDisconnected("gone"), Outcome.UNKNOWN),
        (TimeoutError("slow"), Outcome.UNKNOWN),
        (RuntimeError("what"), Outcome.UNKNOWN),
        (mail.BadHeaderError("newline"), Outcome.REFUSED),
    ],
)
def test_it_judges_exceptions(error, outcome):
    (result,) = raising(error=error).hand_over(envelopes("ada@example.org"), go_on=always)
    assert result.outcome == outcome


def test_it_says_unknown_when_the_backend_does_not_count_the_message():
    (result,) = raising(taken=0).hand_over(envelopes("ada@example.org"), go_on=always)
    assert result.outcome == Outcome.UNKNOWN


@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPSenderRefused(530, b"log in", "a@b"),
        smtplib.SMTPDataError(421, b"4.3.2 closing"),
    ],
)
def test_it_pauses_when_no_message_would_be_taken(error):
    with pytest.raises(RelayDown) as caught:
        raising(error=error).hand_over(envelopes(*PEOPLE), go_on=always)
    assert outcomes(caught.value.results) == [NOT_TRIED] * 3


@contextmanager
def provider(answer: Callable[[dict[str, object]], tuple[int, object]]) -> Iterator[str]:
    """A provider's API on loopback, answering as `answer` says."""

    class Api(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = answer(asked)
            octets = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with HTTPServer(("127.0.0.1", 0), Api) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def postmark(url: str) -> BackendTransport:
    return BackendTransport(POSTMARK, api_url=url, server_token="test")


def test_it_reads_what_the_provider_said():
    asked: list[dict[str, list[dict[str, str]]]] = []

    def answer(request):
        asked.append(request)
        to = request["To"]
        return 200, {"ErrorCode": 0, "Message": "OK", "MessageID": "id-1", "To": to}

    with provider(answer) as url:
        transport = postmark(url)
        (result,) = transport.hand_over(envelopes("ada@example.org"), go_on=always)
        transport.close()
    assert (result.outcome, result.provider_id) == (SENT, "id-1")
    assert {"Name": "List-Unsubscribe", "Value": f"<{LINKS['unsubscribe_url']}>"} in asked[0][
        "Headers"
    ]


def test_it_switches_off_what_the_provider_measures_by_itself(settings):
    settings.ANYMAIL = {"SEND_DEFAULTS": {"track_opens": True, "track_clicks": True}}
    asked: list[dict[str, object]] = []

    def answer(request):
        asked.append(request)
        return 200, {"ErrorCode": 0, "Message": "OK", "MessageID": "id-1", "To": request["To"]}

    with provider(answer) as url:
        transport = postmark(url)
        transport.hand_over(envelopes("ada@example.org"), go_on=always)
        transport.close()
    assert (asked[0]["TrackOpens"], asked[0]["TrackLinks"]) == (False, "None")


def test_it_says_refused_when_the_provider_rejects_the_recipient():
    def answer(request):
        words = f"Found inactive addresses: {request['To']}.\nInactive recipients are ones that"
        return 422, {"ErrorCode": 406, "Message": words}

    with provider(answer) as url:
        transport = postmark(url)
        (result,) = transport.hand_over(envelopes("ada@example.org"), go_on=always)
        transport.close()
    assert result.outcome == Outcome.REFUSED
    assert "ada" not in result.diagnostic


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (429, Outcome.DEFERRED),
        (503, Outcome.DEFERRED),
        (500, Outcome.UNKNOWN),
        (413, Outcome.REFUSED),
    ],
)
def test_it_judges_the_providers_status(status, outcome):
    with provider(lambda _: (status, {"Message": "no"})) as url:
        transport = postmark(url)
        (result,) = transport.hand_over(envelopes("ada@example.org"), go_on=always)
        transport.close()
    assert (result.outcome, result.code) == (outcome, status)


def test_it_pauses_when_the_provider_refuses_the_key_or_cannot_be_reached():
    with provider(lambda _: (401, {"Message": "bad token"})) as url:
        transport = postmark(url)
        with pytest.raises(RelayDown, match="401"):
            transport.hand_over(envelopes(*PEOPLE), go_on=always)
    with pytest.raises(RelayDown, match="connect"):
        transport.hand_over(envelopes(*PEOPLE), go_on=always)
