"""What is mailed in development is kept word for word, shown, bounded, and never passed on."""

import signal
import smtplib
import socket
import subprocess
import sys
from email.message import EmailMessage

import psutil
import pytest
from django.test import Client
from django.urls import include, path

from config import environment, mailbox
from config.mailbox import Keeper, Mailbox
from tests import make
from tests.beside import PATIENCE_S

urlpatterns = [path("mailbox/", include("config.mailbox.urls"))]

SOURCE = (
    b"From: news@example.org\r\nTo: ada@example.org\r\nSubject: Product news\r\n\r\nHello Ada\r\n"
)


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    listener = mailbox.listen(tmp_path_factory.mktemp("mailbox"))
    yield listener
    listener.stop()


@pytest.fixture
def box(listener):
    box = Mailbox(listener.process.args[-1])
    for name in box.names():
        (box.folder / name).unlink()
    return box


@pytest.fixture
def smtp(listener):
    with smtplib.SMTP(listener.host, listener.port, timeout=10) as smtp:
        yield smtp


@pytest.fixture
def shown(tmp_path, settings):
    settings.DEBUG = True
    settings.ASSENT_MAILBOX = str(tmp_path)
    return Keeper(Mailbox(tmp_path))


def html_message(html):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "news@example.org",
        "ada@example.org",
        "Été",
    )
    message["List-Unsubscribe"] = "<mailto:stop@example.org>, <https://news.example.org/stop/abc>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content("Read https://news.example.org/view/abc")
    message.add_alternative(html, subtype="html")
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))


def test_it_keeps_envelope_and_source_word_for_word_when_a_message_arrives(smtp, box):
    smtp.sendmail("bounce+1@example.org", ["Ada@example.org", "bo@example.org"], SOURCE)

    [letter] = box.letters()
    assert letter.source == SOURCE
    assert letter.sender == "bounce+1@example.org"
    assert letter.recipients == ("Ada@example.org", "bo@example.org")
    assert letter.text == "Hello Ada\r\n"


def test_it_keeps_the_message_apart_from_the_envelope_when_it_begins_with_trace_fields(smtp, box):
    source = b"Return-Path: <evil@example.org>\r\nDelivered-To: cy@example.org\r\n" + SOURCE

    smtp.sendmail("", ["ada@example.org"], source)

    [letter] = box.letters()
    assert (letter.sender, letter.recipients, letter.source) == ("", ("ada@example.org",), source)


def test_it_keeps_the_order_when_many_messages_share_a_connection(smtp, box):
    for number in range(20):
        smtp.sendmail("news@example.org", [f"p{number}@example.org"], SOURCE)

    assert [letter.recipients[0] for letter in box.letters()] == [
        f"p{number}@example.org" for number in range(20)
    ]


def test_it_answers_in_order_when_commands_are_pipelined(listener, smtp, box):
    smtp.ehlo()
    assert smtp.has_extn("pipelining")
    with socket.create_connection((listener.host, listener.port), timeout=10) as plain:
        replies = plain.makefile("rb")
        plain.sendall(
            b"HELO here\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
        )
        assert [replies.readline()[:3] for _ in range(5)] == [
            b"220",
            b"250",
            b"250",
            b"250",
            b"354",
        ]
        plain.sendall(SOURCE + b".\r\nQUIT\r\n")
        assert [replies.readline()[:3] for _ in range(2)] == [b"250", b"221"]
        replies.close()

    assert [letter.recipients for letter in box.letters()] == [("b@example.org",)]


def test_it_finds_the_messages_of_one_recipient_when_asked(smtp, box):
    smtp.sendmail("news@example.org", ["ada@example.org"], SOURCE)
    smtp.sendmail("news@example.org", ["bo@example.org"], SOURCE)

    assert [letter.recipients for letter in box.letters(to="ADA@example.org")] == [
        ("ada@example.org",)
    ]


def test_it_takes_a_free_port_when_the_wished_one_is_taken(tmp_path, listener):
    second = mailbox.listen(tmp_path, port=listener.port)
    try:
        assert second.port != listener.port
        with smtplib.SMTP(second.host, second.port, timeout=10) as smtp:
            assert smtp.noop()[0] == 250
    finally:
        second.stop()


def test_it_ends_cleanly_when_told_to_stop_with_a_connection_open(tmp_path, capfd):
    listener = mailbox.listen(tmp_path)
    with socket.create_connection((listener.host, listener.port), timeout=10) as open_connection:
        open_connection.recv(100)
        listener.stop()

    assert listener.process.returncode == 0
    assert capfd.readouterr().err == ""


def test_it_goes_on_with_its_messages_when_it_was_killed(tmp_path):
    first = mailbox.listen(tmp_path)
    with smtplib.SMTP(first.host, first.port, timeout=10) as smtp:
        smtp.sendmail("news@example.org", ["ada@example.org"], SOURCE)
        first.process.send_signal(signal.SIGKILL)
        first.stop()

    second = mailbox.listen(tmp_path)
    second.stop()

    assert len(Mailbox(tmp_path).names()) == 1


def test_it_says_why_when_the_folder_cannot_be_made(tmp_path, capfd):
    (tmp_path / "file").write_text("")

    with pytest.raises(mailbox.ListenerFailed):
        mailbox.listen(tmp_path / "file" / "mailbox")

    assert "The mailbox cannot start: " in capfd.readouterr().err


def test_it_drops_the_oldest_when_it_outgrows_its_limit(tmp_path):
    box = Mailbox(tmp_path)
    Keeper(box, limit=3 * mailbox.BLOCK).keep("", ["first@example.org"], SOURCE)
    keeper = Keeper(box, limit=3 * mailbox.BLOCK)

    names = [keeper.keep("", [f"p{number}@example.org"], SOURCE) for number in range(3)]

    assert box.names() == names
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "0" * 20 + "-1.eml", "x.eml"])
def test_it_refuses_when_a_name_is_not_a_kept_message(tmp_path, name):
    with pytest.raises(mailbox.NoSuchLetter):
        Mailbox(tmp_path).read(name)


def test_it_decodes_what_it_can_when_the_charset_is_unknown(tmp_path):
    source = b'Content-Type: text/plain; charset="nonsense"\r\n\r\nHello \xc3\xa9'
    name = Keeper(Mailbox(tmp_path)).keep("", ["ada@example.org"], source)

    assert Mailbox(tmp_path).read(name).text == "Hello é"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        (
            b"List-Unsubscribe: <https://a.example/x>\r\nList-Unsubscribe-Post: x\r\n",
            "https://a.example/x",
        ),
        (b"List-Unsubscribe: <https://a.example/x>\r\n", ""),
        (b"List-Unsubscribe: <mailto:a@a.example>\r\nList-Unsubscribe-Post: x\r\n", ""),
        (b"", ""),
    ],
)
def test_it_names_the_one_click_address_when_the_message_offers_one(tmp_path, fields, url):
    name = Keeper(Mailbox(tmp_path)).keep("", ["ada@example.org"], fields + SOURCE)

    assert Mailbox(tmp_path).read(name).one_click_url == url


@pytest.mark.urls(__name__)
class TestPages:
    def test_it_lists_the_newest_first_when_opened(self, shown):
        old, new = (shown.keep("", [f"{who}@example.org"], SOURCE) for who in ("ada", "bo"))

        page = Client().get("/mailbox/").content.decode()

        assert page.index(new) < page.index(old)
        assert "2 messages" in page

    def test_it_lists_one_recipient_when_filtered(self, shown):
        for who in ("ada", "bo"):
            shown.keep("", [f"{who}@example.org"], SOURCE)

        page = Client().get("/mailbox/?to=bo@example.org").content.decode()

        assert "1 message to bo@example.org" in page
        assert "ada@example.org" not in page

    def test_it_shows_the_next_page_when_there_are_many(self, shown):
        names = [shown.keep("", ["ada@example.org"], SOURCE) for _ in range(51)]

        assert names[0] not in Client().get("/mailbox/").content.decode()
        assert names[0] in Client().get("/mailbox/?page=2").content.decode()

    def test_it_shows_headers_and_both_parts_when_one_is_opened(self, shown):
        name = shown.keep("b@example.org", ["ada@example.org"], html_message("<b>Hi Ada</b>"))

        page = Client().get(f"/mailbox/{name}/").content.decode()

        assert "<h1>Été</h1>" in page
        assert '<form method="post" action="https://news.example.org/stop/abc">' in page
        assert 'href="https://news.example.org/view/abc"' in page
        assert "&lt;b&gt;Hi Ada&lt;/b&gt;" in page

    def test_it_lets_no_script_out_of_the_frame_when_the_html_is_hostile(self, shown):
        hostile = '"></iframe><script>alert(1)</script>'
        name = shown.keep("", ["ada@example.org"], html_message(hostile))

        page = Client().get(f"/mailbox/{name}/").content.decode()

        assert "<script" not in page
        assert page.count("<iframe") == page.count("</iframe>") == 1
        assert "allow-scripts" not in page
        assert "allow-same-origin" not in page

    def test_it_shows_the_source_as_text_when_asked(self, shown):
        name = shown.keep("", ["ada@example.org"], SOURCE)

        answer = Client().get(f"/mailbox/{name}/source")

        assert answer.content == SOURCE
        assert answer["Content-Type"].startswith("text/plain")

    def test_it_is_not_found_when_the_message_is_gone(self, shown):
        assert Client().get(f"/mailbox/{'0' * 20}-1.eml/").status_code == 404

    def test_it_refuses_to_change_anything_when_posted_to(self, shown):
        assert Client().post("/mailbox/").status_code == 405

    @pytest.mark.parametrize("closed", ["DEBUG", "ASSENT_MAILBOX"])
    def test_it_is_not_found_when_not_in_development(self, shown, settings, closed):
        name = shown.keep("", ["ada@example.org"], SOURCE)
        setattr(settings, closed, False)

        for url in ("/mailbox/", f"/mailbox/{name}/", f"/mailbox/{name}/source"):
            assert Client().get(url).status_code == 404


TEXT = b"Message-Context: pager-message\r\n\r\nThree new books. Stop: http://localhost/s/x\r\n"
PHONE = "+33612345678"


@pytest.mark.urls("tests.config.with_mailbox")
@pytest.mark.django_db(transaction=True)
class TestReply:
    """The phone's side of a text: its answer goes through the public door, signed as the gateway signs."""

    @pytest.fixture
    def texted(self, shown, live_server, settings):
        settings.PUBLIC_URL, settings.SMS_AUTH_TOKEN = live_server.url, "development"
        return shown.keep("+33700000000", [PHONE], TEXT)

    def test_it_stops_every_text_when_the_phone_answers_stop(self, texted):
        topic, contact = make.topic(), make.contact(phone=PHONE)
        make.granted(contact, topic, "sms")

        page = Client().post(f"/mailbox/{texted}/reply/", {"said": "STOP"}).content.decode()

        assert f"“STOP” was answered from {PHONE}." in page
        assert contact.permissions.get(topic=topic, channel="sms").state == "withdrawn"

    def test_it_says_so_when_the_answer_is_not_taken(self, texted, settings):
        settings.PUBLIC_URL = settings.PUBLIC_URL.replace("localhost", "127.0.0.1") + "/elsewhere"

        page = Client().post(f"/mailbox/{texted}/reply/", {"said": "STOP"}).content.decode()

        assert "was not taken" in page

    def test_it_answers_nothing_when_it_was_no_text(self, shown):
        name = shown.keep("", ["ada@example.org"], SOURCE)

        assert Client().post(f"/mailbox/{name}/reply/", {"said": "STOP"}).status_code == 404
        assert Client().get(f"/mailbox/{name}/reply/").status_code == 405


def test_it_ends_with_the_process_that_started_it_even_by_a_kill(tmp_path):
    program = (
        "import sys, time; from config import mailbox;"
        " listener = mailbox.listen(sys.argv[1]);"
        " print(listener.process.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "mailbox")],
        cwd=environment.ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    listener = psutil.Process(int(starter.stdout.readline()))
    starter.kill()
    starter.wait()
    starter.stdout.close()
    listener.wait(PATIENCE_S)
    assert not listener.is_running()
