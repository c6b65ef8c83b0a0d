"""The SMS gateway over real HTTP: what each answer means for the text."""

import base64
import logging
import socket

import pytest

from config import mailbox
from config.mailbox import Mailbox
from consent.sms import gateway
from consent.sms.gateway import Answer, Gateway, GatewayDown
from consent.sms.signature import sign
from tests.gateway import ACCOUNT, DROP, HANG, TOKEN

ADA = "+33612345678"


def send(**changed):
    sender = Gateway(answer_s=changed.pop("answer_s", 5.0))
    try:
        return sender.send(**{"to": ADA, "text": "Bonjour", "sender": "Lumen"} | changed)
    finally:
        sender.close()


def test_it_hands_over_number_words_and_sender_with_basic_authentication(texts):
    handed = send(report_to="https://news.example.org/sms/status/7/1/")
    assert handed.answer is Answer.ACCEPTED
    assert handed.provider_id == f"SM{1:032x}"
    assert texts.texts == [
        {
            "To": ADA,
            "From": "Lumen",
            "Body": "Bonjour",
            "StatusCallback": "https://news.example.org/sms/status/7/1/",
        }
    ]
    expected = base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert texts.authorizations == {f"Basic {expected}"}


def test_it_names_the_pool_of_numbers_when_the_sender_is_one(texts):
    pool = f"MG{'0' * 32}"
    send(sender=pool)
    assert texts.texts[0]["MessagingServiceSid"] == pool
    assert "From" not in texts.texts[0]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((400, {"code": 21211}), Answer.REFUSED),
        ((400, {"code": 21614}), Answer.REFUSED),
        ((403, {"code": 21408}), Answer.REFUSED),
        ((400, {}), Answer.REFUSED),
        ((201, {"sid": "SM1", "status": "failed", "error_code": 30006}), Answer.REFUSED),
        ((429, {"code": 20429}), Answer.DEFERRED),
        ((400, {"code": 21611}), Answer.DEFERRED),
        ((500, {"code": 20500}), Answer.DEFERRED),
        ((503, {}), Answer.DEFERRED),
        ((502, {}), Answer.UNKNOWN),
        ((504, {}), Answer.UNKNOWN),
        ((200, {}), Answer.UNKNOWN),
        (DROP, Answer.UNKNOWN),
    ],
)
def test_it_says_what_became_of_the_text(texts, answer, expected):
    texts.answers.append(answer)
    assert send().answer is expected
    assert not texts.texts


def test_it_does_not_know_when_no_answer_comes_in_time(texts):
    texts.answers.append(HANG)
    assert send(answer_s=0.3).answer is Answer.UNKNOWN


def test_it_knows_a_stop_that_only_the_provider_heard(texts):
    texts.answers.append((400, {"code": 21610}))
    assert send().replied_stop


@pytest.mark.parametrize(
    "answer",
    [(401, {"code": 20003}), (404, {"code": 20404}), (402, {}), (400, {"code": 21606}), (302, {})],
)
def test_it_takes_no_text_when_the_account_or_the_sender_is_refused(texts, answer):
    texts.answers.append(answer)
    with pytest.raises(GatewayDown):
        send()


def test_it_takes_no_text_when_nothing_listens(texts, settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.SMS_GATEWAY_URL = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(GatewayDown):
            send()


def test_it_takes_no_text_when_none_is_configured(settings):
    settings.SMS_GATEWAY_URL = ""
    with pytest.raises(GatewayDown):
        send()


def test_it_keeps_number_and_words_out_of_what_it_says(texts, caplog):
    texts.answers.extend([(401, {"code": 20003, "message": ADA}), DROP, (400, {"message": ADA})])
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(GatewayDown) as down:
            send()
        said = [str(down.value), repr(send()), repr(send())]
    assert not any(ADA[1:] in words for words in [*said, caplog.text])


EXAMPLE = "https://mycompany.com/myapp.php?foo=1&bar=2"


@pytest.mark.parametrize(
    ("form", "signature"),
    [
        (
            {
                "CallSid": ["CA1234567890ABCDE"],
                "Caller": ["+14158675309"],
                "Digits": ["1234"],
                "From": ["+14158675309"],
                "To": ["+18005551212"],
            },
            "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        ),
        (
            {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]},
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
    ],
)
def test_it_signs_as_the_provider_s_published_examples(form, signature):
    assert sign(EXAMPLE, form, token="12345") == signature


@pytest.mark.parametrize("changed", ["url", "form", "signature", "token"])
def test_it_believes_no_webhook_that_was_changed(settings, changed):
    settings.SMS_AUTH_TOKEN = TOKEN
    url, form = "https://news.example.org/sms/inbound/", {"Body": ["STOP"]}
    signature = sign(url, form, token=TOKEN)
    assert gateway.is_signed(url=url, form=form, signature=signature)
    if changed == "token":
        settings.SMS_AUTH_TOKEN = ""
    given = {"url": url, "form": form, "signature": signature} | {
        "url": {"url": url + "x"},
        "form": {"form": {"Body": ["START"]}},
        "signature": {"signature": "é"},
        "token": {},
    }[changed]
    assert not gateway.is_signed(**given)


def test_it_keeps_texts_beside_mails_when_the_development_mailbox_is_the_gateway(
    tmp_path, settings
):
    listener = mailbox.listen(tmp_path)
    try:
        settings.SMS_GATEWAY_URL = f"http://{listener.host}:{listener.text_port}"
        settings.SMS_ACCOUNT, settings.SMS_AUTH_TOKEN = "mailbox", "development"
        handed = send(text="Été à Nîmes\nStop: https://x.example/s/abc")
        refused = send(to="12")
        settings.SMS_ACCOUNT = "other"
        settings.SMS_AUTH_TOKEN = ""
        with pytest.raises(GatewayDown):
            send()
    finally:
        listener.stop()
    [letter] = Mailbox(tmp_path).letters(to=ADA)
    assert handed.answer is Answer.ACCEPTED
    assert refused.answer is Answer.REFUSED
    assert letter.is_text_message
    assert (letter.sender, letter.recipients) == ("Lumen", (ADA,))
    assert letter.text.splitlines() == ["Été à Nîmes", "Stop: https://x.example/s/abc"]
