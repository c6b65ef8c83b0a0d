"""What became of each message is told exactly, whatever the relay does."""

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from campaigns.transports import Envelope, Outcome, RelayDown, Result
from campaigns.transports.connection import Relay
from campaigns.transports.smtp import SmtpTransport
from tests.beside import PATIENCE_S
from tests.campaigns.letters import envelopes
from tests.sink import Mode, Sink

SENT, DEFERRED, REFUSED = Outcome.SENT, Outcome.DEFERRED, Outcome.REFUSED
UNKNOWN, NOT_TRIED = Outcome.UNKNOWN, Outcome.NOT_TRIED
PEOPLE = ("ada@example.org", "bo@example.org", "cy@example.org")
OFFERS = {"pipelined": "PIPELINING 8BITMIME SIZE=1000000", "step by step": "8BITMIME"}


def always() -> bool:
    return True


def outcomes(results: list[Result]) -> list[Outcome]:
    return [result.outcome for result in results]


@contextmanager
def transport_to(sink: Sink | None = None, **relay: object) -> Iterator[SmtpTransport]:
    given = {"host": "127.0.0.1", "timeout": 30.0, "hello": "test", **relay}
    if sink is not None:
        given["port"] = sink.port
    transport = SmtpTransport(Relay(**given))
    yield transport
    transport.close()


@contextmanager
def scripted(script: Callable[[socket.socket], None]) -> Iterator[int]:
    """A relay that does what `script` does with its first connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        peer, _ = listener.accept()
        with peer:
            script(peer)

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(PATIENCE_S)
    listener.close()


def greet(peer: socket.socket, *offers: str) -> None:
    peer.sendall(b"220 hi\r\n")
    peer.recv(1000)
    lines = ["relay", *offers]
    said = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
    peer.sendall("".join(f"{line}\r\n" for line in said).encode())


def read_until(peer: socket.socket, end: bytes) -> bytes:
    read = b""
    while end not in read:
        octets = peer.recv(100_000)
        if not octets:
            return read
        read += octets
    return read


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_it_sends_all_and_keeps_the_connection(offer):
    with Sink(Mode(offer=offer), keep=True) as sink, transport_to(sink) as transport:
        first = transport.hand_over(envelopes(*PEOPLE), go_on=always)
        second = transport.hand_over(envelopes("dee@example.org"), go_on=always)
        taken, contents = sink.taken(), sink.messages()
    assert outcomes(first + second) == [SENT] * 4
    assert [result.provider_id for result in first] == ["1", "2", "3"]
    assert [each.recipient for each in taken] == [*PEOPLE, "dee@example.org"]
    assert b"To: ada@example.org\r\n" in contents[0]


def test_it_stuffs_dots():
    body = ".\n\n.one\n\n```\n.\n..\n```\n"
    (sent,) = envelopes("ada@example.org", body=body)
    with Sink(keep=True) as sink, transport_to(sink) as transport:
        assert outcomes(transport.hand_over([sent], go_on=always)) == [SENT]
        (content,) = sink.messages()
    assert content == sent.letter.as_bytes(eight_bit=True)
    assert b"\r\n..\r\n" in content


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_it_goes_on_when_one_recipient_is_refused(offer):
    refuse = {
        "^bo@": "550 5.1.1 <bo@example.org>: bo@example.org unknown",
        "^cy@": "451 4.2.0 cy later",
    }
    people = (*PEOPLE, "dee@example.org")
    with Sink(Mode(offer=offer, refuse=refuse)) as sink, transport_to(sink) as transport:
        results = transport.hand_over(envelopes(*people), go_on=always)
        taken = [each.recipient for each in sink.taken()]
    assert outcomes(results) == [SENT, REFUSED, DEFERRED, SENT]
    assert (results[1].code, results[1].status) == (550, "5.1.1")
    assert "@" not in results[1].diagnostic
    assert taken == ["ada@example.org", "dee@example.org"]


@pytest.mark.parametrize("final", ["554 5.6.0 no", "552 5.2.2 full"])
def test_it_says_refused_when_the_content_is_refused(final):
    with Sink(Mode(final=final)) as sink, transport_to(sink) as transport:
        assert outcomes(transport.hand_over(envelopes(*PEOPLE), go_on=always)) == [REFUSED] * 3


def test_it_says_deferred_when_the_content_is_put_off():
    with Sink(Mode(final="451 4.3.0 later")) as sink, transport_to(sink) as transport:
        assert outcomes(transport.hand_over(envelopes(*PEOPLE), go_on=always)) == [DEFERRED] * 3


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_it_says_unknown_only_for_the_one_whose_dot_was_out_when_the_connection_is_lost(offer):
    with Sink(Mode(offer=offer, drop_after=2)) as sink, transport_to(sink) as transport:
        results = transport.hand_over(envelopes(*PEOPLE, "dee@example.org"), go_on=always)
        assert outcomes(results)[:2] == [SENT, UNKNOWN]
        assert outcomes(results)[3] == NOT_TRIED
        assert results[2].outcome in {DEFERRED, NOT_TRIED}
        sink.change(Mode())
        again = transport.hand_over(envelopes("eve@example.org"), go_on=always)
    assert outcomes(again) == [SENT]


def test_it_says_deferred_when_the_connection_is_lost_before_the_dot():
    def script(peer: socket.socket) -> None:
        greet(peer, "8BITMIME")
        for reply in (b"250 ok\r\n", b"250 ok\r\n"):
            peer.recv(1000)
            peer.sendall(reply)
        peer.recv(1000)

    with scripted(script) as port, transport_to(port=port) as transport:
        results = transport.hand_over(envelopes(*PEOPLE), go_on=always)
    assert outcomes(results) == [DEFERRED, NOT_TRIED, NOT_TRIED]


def test_it_says_unknown_when_the_reply_to_the_dot_is_nonsense_or_late():
    def script(peer: socket.socket) -> None:
        greet(peer, "PIPELINING")
        read_until(peer, b"DATA\r\n")
        peer.sendall(b"250 ok\r\n250 ok\r\n354 go\r\n")
        read_until(peer, b"\r\n.\r\n")
        peer.sendall(b"what?\r\n")

    with scripted(script) as port, transport_to(port=port) as transport:
        results = transport.hand_over(envelopes(*PEOPLE[:1]), go_on=always)
    assert outcomes(results) == [UNKNOWN]


def test_it_says_unknown_when_the_relay_falls_silent_after_the_dot():
    gone = threading.Event()

    def script(peer: socket.socket) -> None:
        greet(peer, "PIPELINING")
        read_until(peer, b"DATA\r\n")
        peer.sendall(b"250 ok\r\n250 ok\r\n354 go\r\n")
        read_until(peer, b"\r\n.\r\n")
        gone.wait(PATIENCE_S)

    with scripted(script) as port, transport_to(port=port, timeout=2.0) as transport:
        results = transport.hand_over(envelopes(*PEOPLE), go_on=always)
        gone.set()
    assert outcomes(results)[0] == UNKNOWN
    assert UNKNOWN not in outcomes(results)[1:]


def test_it_ends_the_content_at_once_when_it_is_wanted_for_nobody():
    ended = b""

    def script(peer: socket.socket) -> None:
        nonlocal ended
        greet(peer, "PIPELINING")
        read_until(peer, b"DATA\r\n")
        peer.sendall(b"250 ok\r\n550 5.1.1 unknown\r\n354 go\r\n")
        ended = peer.recv(1000)
        peer.sendall(b"554 nobody\r\n")
        peer.recv(1000)
        peer.sendall(b"250 reset\r\n")
        peer.recv(1000)

    with scripted(script) as port, transport_to(port=port) as transport:
        results = transport.hand_over(envelopes("ada@example.org"), go_on=always)
        transport.close()
    assert outcomes(results) == [REFUSED]
    assert ended == b".\r\n"


def test_it_never_says_sent_when_replies_make_no_sense():
    def script(peer: socket.socket) -> None:
        greet(peer, "PIPELINING")
        read_until(peer, b"DATA\r\n")
        peer.sendall(b"250 ok\r\n250 ok\r\n250 what\r\n")

    with scripted(script) as port, transport_to(port=port) as transport:
        assert outcomes(transport.hand_over(envelopes("ada@example.org"), go_on=always)) == [
            DEFERRED
        ]


@pytest.mark.parametrize("allowed", range(8))
def test_it_stops_before_the_next_message_when_told_to(allowed):
    asked = 0

    def go_on() -> bool:
        nonlocal asked
        asked += 1
        return bool(asked <= allowed)

    with Sink() as sink, transport_to(sink) as transport:
        results = transport.hand_over(envelopes(*PEOPLE), go_on=go_on)
        count = sink.count()
    said = outcomes(results)
    assert said == sorted(said, key=[SENT, NOT_TRIED].index)
    assert said.count(SENT) == count
    assert said.count(SENT) < 3 or allowed >= 5


def test_it_pauses_when_nobody_answers():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with transport_to(port=port) as transport, pytest.raises(RelayDown) as caught:
            transport.hand_over(envelopes(*PEOPLE), go_on=always)
    assert outcomes(caught.value.results) == [NOT_TRIED] * 3


@pytest.mark.parametrize("greeting", ["421 4.3.2 closed", "554 5.7.1 go away"])
def test_it_pauses_when_the_greeting_refuses(greeting):
    with (
        Sink(Mode(greeting=greeting)) as sink,
        transport_to(sink) as transport,
        pytest.raises(RelayDown) as caught,
    ):
        transport.hand_over(envelopes(*PEOPLE), go_on=always)
    assert outcomes(caught.value.results) == [NOT_TRIED] * 3
    assert greeting[:3] in str(caught.value)


def test_it_pauses_and_keeps_results_when_the_relay_closes_in_mid_unit():
    with Sink(Mode(refuse={"^bo@": "421 4.7.0 too much"})) as sink, transport_to(sink) as transport:
        with pytest.raises(RelayDown) as caught:
            transport.hand_over(envelopes(*PEOPLE), go_on=always)
        assert sink.count() == 1
    assert outcomes(caught.value.results) == [SENT, DEFERRED, NOT_TRIED]


def test_it_pauses_when_the_sender_is_refused():
    def script(peer: socket.socket) -> None:
        greet(peer, "PIPELINING")
        read_until(peer, b"DATA\r\n")
        peer.sendall(b"530 5.7.0 log in\r\n503 no\r\n503 no\r\n")

    with (
        scripted(script) as port,
        transport_to(port=port) as transport,
        pytest.raises(RelayDown) as caught,
    ):
        transport.hand_over(envelopes(*PEOPLE), go_on=always)
    assert outcomes(caught.value.results) == [NOT_TRIED] * 3


def test_it_reconnects_without_loss_when_the_relay_closed_while_idle():
    with Sink() as sink:
        port = sink.port
        with transport_to(sink) as transport:
            assert outcomes(transport.hand_over(envelopes("a@x.org"), go_on=always)) == [SENT]
            sink.process.kill()
            sink.process.wait()
            with Sink(port=port) as other:
                results = transport.hand_over(envelopes(*PEOPLE), go_on=always)
                assert other.count() == 3
    assert outcomes(results) == [SENT] * 3


@pytest.mark.parametrize("farewell", [b"", b"421 4.4.2 idle too long\r\n"])
def test_it_tries_once_more_when_the_relay_leaves_as_the_unit_sets_out(farewell):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for last in (False, True):
            peer, _ = listener.accept()
            with peer:
                greet(peer, "PIPELINING")
                read_until(peer, b"DATA\r\n")
                peer.sendall(b"250 ok\r\n250 ok\r\n354 go\r\n")
                read_until(peer, b"\r\n.\r\n")
                peer.sendall(b"250 taken\r\n")
                peer.recv(1000)
                peer.sendall(b"" if last else farewell)

    thread = threading.Thread(target=serve)
    thread.start()
    with transport_to(port=listener.getsockname()[1]) as transport:
        for _ in range(2):
            assert outcomes(transport.hand_over(envelopes("a@x.org"), go_on=always)) == [SENT]
    thread.join(PATIENCE_S)
    listener.close()


def test_it_opens_a_new_connection_when_the_old_one_is_used_up():
    with Sink() as sink, transport_to(sink, max_messages=2) as transport:
        for _ in range(3):
            assert outcomes(transport.hand_over(envelopes(*PEOPLE[:2]), go_on=always)) == [SENT] * 2
        assert sink.count() == 6


@pytest.mark.parametrize(
    "address", ["ada@x.org>\r\nRCPT TO:<eve@x.org", "ada", "a b@x.org", "<a@x.org>"]
)
def test_it_refuses_addresses_that_would_speak_smtp(address):
    (good,) = envelopes("ada@example.org")
    bad = Envelope(sender="b@acme.example", recipient=address, letter=good.letter)
    with Sink() as sink, transport_to(sink) as transport:
        results = transport.hand_over([bad, good], go_on=always)
        taken = [each.recipient for each in sink.taken()]
    assert outcomes(results) == [REFUSED, SENT]
    assert taken == ["ada@example.org"]


def test_it_needs_smtputf8_for_addresses_beyond_ascii():
    people = envelopes("zoë@exämple.org", "bo@exämple.org")
    with Sink(Mode(offer="PIPELINING")) as sink, transport_to(sink) as transport:
        assert outcomes(transport.hand_over(people, go_on=always)) == [REFUSED, SENT]
        sink.change(Mode())
        transport.close()
        assert outcomes(transport.hand_over(people, go_on=always)) == [SENT, SENT]
        taken = [each.recipient for each in sink.taken()]
    assert taken == ["bo@xn--exmple-cua.org", "zoë@xn--exmple-cua.org", "bo@xn--exmple-cua.org"]


def test_it_refuses_what_is_larger_than_the_relay_takes():
    with Sink(Mode(offer="PIPELINING SIZE=2000")) as sink, transport_to(sink) as transport:
        assert outcomes(transport.hand_over(envelopes(*PEOPLE), go_on=always)) == [REFUSED] * 3


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key for `localhost`, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Inbox:
    def __init__(self) -> None:
        self.recipients: list[str] = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.recipients += envelope.rcpt_tos
        return "250 OK"


class SecureRelay(Controller):
    """Knows the free port that it was given."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def secure_relay(certificate: Path, *, implicit: bool = False) -> Iterator[tuple[int, Inbox]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    inbox = Inbox()
    tls = (
        {"ssl_context": context} if implicit else {"tls_context": context, "require_starttls": True}
    )

    def login(server, session, envelope, mechanism, data):
        is_right = (data.login, data.password) == (b"ada", b"s3cret")
        return AuthResult(success=is_right, handled=False)

    relay = SecureRelay(
        inbox,
        hostname="127.0.0.1",
        port=0,
        ready_timeout=PATIENCE_S,
        authenticator=login,
        auth_required=not implicit,
        auth_require_tls=not implicit,
        **tls,
    )
    relay.start()
    yield relay.port, inbox
    relay.stop()


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_speaks_tls_and_logs_in(certificate, security):
    context = ssl.create_default_context(cafile=str(certificate))
    with (
        secure_relay(certificate, implicit=security == "tls") as (port, inbox),
        transport_to(
            host="localhost",
            port=port,
            security=security,
            username="ada",
            password="s3cret",
            context=context,
        ) as transport,
    ):
        assert outcomes(transport.hand_over(envelopes(*PEOPLE), go_on=always)) == [SENT] * 3
    assert inbox.recipients == list(PEOPLE)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"password": "wrong"}, "login"),
        ({"host": "127.0.0.1"}, "secure"),
        ({"context": None}, "secure"),
    ],
)
def test_it_pauses_when_tls_or_login_fail(certificate, given, reason):
    relay = {
        "host": "localhost",
        "security": "starttls",
        "username": "ada",
        "password": "s3cret",
        "context": ssl.create_default_context(cafile=str(certificate)),
        **given,
    }
    with (
        secure_relay(certificate) as (port, inbox),
        transport_to(port=port, **relay) as transport,
        pytest.raises(RelayDown, match=reason) as caught,
    ):
        transport.hand_over(envelopes(*PEOPLE), go_on=always)
    assert "s3cret" not in str(caught.value)
    assert base64.b64encode(b"s3cret").decode() not in str(caught.value)
    assert inbox.recipients == []


def test_it_pauses_when_starttls_is_not_offered():
    with Sink() as sink, transport_to(sink, security="starttls") as transport:
        with pytest.raises(RelayDown, match="STARTTLS"):
            transport.hand_over(envelopes(*PEOPLE), go_on=always)
        assert sink.count() == 0


def test_it_pauses_when_words_are_slipped_in_before_tls():
    def script(peer: socket.socket) -> None:
        greet(peer, "STARTTLS")
        peer.recv(1000)
        peer.sendall(b"220 go\r\n250 injected\r\n")

    with (
        scripted(script) as port,
        transport_to(port=port, security="starttls") as transport,
        pytest.raises(RelayDown, match="before TLS"),
    ):
        transport.hand_over(envelopes(*PEOPLE), go_on=always)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://relay", ("relay", 25, "none", "", "")),
        ("smtp+starttls://a%40b:p%3Aq@relay", ("relay", 587, "starttls", "a@b", "p:q")),
        ("smtps://u:p@relay:2465", ("relay", 2465, "tls", "u", "p")),
    ],
)
def test_it_reads_a_relay_from_a_url(url, expected):
    relay = Relay.from_url(url)
    assert (relay.host, relay.port, relay.security, relay.username, relay.password) == expected


@pytest.mark.parametrize("url", ["http://relay", "smtp://", "relay:25"])
def test_it_refuses_a_url_that_is_no_relay(url):
    with pytest.raises(ValueError, match="a relay is"):
        Relay.from_url(url)
