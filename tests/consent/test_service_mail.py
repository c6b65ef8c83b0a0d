"""The outbox: what is sent, what waits, and what is never sent."""

import logging
import re
import smtplib
import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.db.models import F
from django.utils import timezone

from consent import service_mail, services
from consent.models import ServiceMail, Suppression
from contacts.models import Channel, Contact, Identity
from tests import make

pytestmark = pytest.mark.django_db
PURPOSE = ServiceMail.Purpose


@pytest.fixture
def news():
    make.organization()
    return make.topic()


def sign_up(topic, email="bo@example.org", language="en"):
    return services.request_consent(
        email=email, wordings=[make.wording(topic, language=language)], language=language
    )


class Relay(EmailBackend):
    """A relay that answers as the test wants: an exception, or nothing for "taken"."""

    answers: list[Exception] = []

    def send_messages(self, messages):
        if self.answers:
            raise self.answers.pop(0)
        return super().send_messages(messages)


@pytest.fixture
def relay(settings):
    settings.EMAIL_BACKEND = "tests.consent.test_service_mail.Relay"
    Relay.answers = []
    return Relay


def html_of(message):
    return message.alternatives[0].content


def test_it_sends_a_confirmation_once(news):
    sign_up(news)
    assert service_mail.sweep() == 1
    assert service_mail.sweep() == 0
    [message] = mail.outbox
    assert message.to == ["bo@example.org"]
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    assert make.wording(news).text in message.body
    assert "12 rue des Lilas" in message.body
    assert ServiceMail.objects.get().sent_at


def test_it_writes_in_the_language_of_the_form(news):
    sign_up(news, language="fr")
    service_mail.sweep()
    [message] = mail.outbox
    assert "Nouveautés" in message.body
    assert '<html lang="fr">' in html_of(message)


def test_it_keeps_signs_as_they_are_in_text_and_escapes_them_in_html(news):
    topic = make.topic("q-and-a", public_name="Q & A <live>", translations={})
    sign_up(topic)
    service_mail.sweep()
    assert "Q & A <live>" in mail.outbox[0].body
    assert "Q &amp; A &lt;live&gt;" in html_of(mail.outbox[0])


def test_it_puts_no_address_and_no_name_into_a_link(news):
    bo = sign_up(news)
    Identity.objects.filter(contact=bo).update(first_name="Bodil")
    services.send_manage_link(contact=bo, language="en")
    service_mail.sweep()
    for message in mail.outbox:
        for url in re.findall(r"http://\S+", message.body):
            assert not re.search(r"@|%40|bo%|bodil|example\.org", url, re.IGNORECASE)


def test_it_sends_no_confirmation_for_what_was_withdrawn_meanwhile(news):
    make.withdrawn(sign_up(news), news)
    service_mail.sweep()
    assert not mail.outbox
    assert ServiceMail.objects.get().given_up_at


def test_it_writes_to_nobody_who_was_erased(news):
    bo = sign_up(news)
    Contact.objects.filter(pk=bo.pk).update(erased_at=timezone.now())
    service_mail.sweep()
    assert not mail.outbox


def test_it_writes_to_no_address_that_the_law_forbids(news):
    bo = sign_up(news)
    Suppression.objects.create(
        channel=Channel.EMAIL,
        fingerprint=bo.addresses.get().fingerprint,
        cause=Suppression.Cause.LEGAL,
    )
    service_mail.sweep()
    assert not mail.outbox


def test_it_sends_a_receipt_with_a_link_that_stops(news, client):
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    service_mail.sweep()
    [message] = mail.outbox
    assert make.wording(news).text in message.body
    [path] = re.findall(r"http://localhost:8000(/u/\S+)", message.body)
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert not services.is_allowed(contact=ada, topic=news, channel=Channel.EMAIL)


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionRefusedError(),
        smtplib.SMTPServerDisconnected("gone"),
        smtplib.SMTPRecipientsRefused({"bo@example.org": (450, b"later")}),
        smtplib.SMTPDataError(554, b"no"),
    ],
)
def test_it_tries_again_later_when_the_relay_fails(news, relay, failure):
    sign_up(news)
    relay.answers = [failure]
    assert service_mail.sweep() == 0
    waiting = ServiceMail.objects.get()
    assert waiting.sent_at is None
    assert waiting.due_at > timezone.now()
    ServiceMail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert service_mail.sweep() == 1


def test_it_goes_on_with_the_others_when_one_fails(news, relay):
    for name in "abc":
        sign_up(news, f"{name}@example.org")
    relay.answers = [smtplib.SMTPServerDisconnected("gone")]
    assert service_mail.sweep() == 2


def test_it_gives_up_when_the_receiving_side_refuses_for_good(news, relay):
    sign_up(news)
    relay.answers = [smtplib.SMTPRecipientsRefused({"bo@example.org": (550, b"unknown")})]
    service_mail.sweep()
    assert ServiceMail.objects.get().given_up_at


def test_it_gives_up_after_a_day_with_a_line_that_names_nobody(news, relay, caplog):
    sign_up(news)
    ServiceMail.objects.update(created_at=F("created_at") - timedelta(hours=25))
    relay.answers = [ConnectionRefusedError()]
    with caplog.at_level(logging.WARNING):
        service_mail.sweep()
    given_up = ServiceMail.objects.get()
    assert given_up.given_up_at
    assert f"Service mail {given_up.pk} was given up" in caplog.text
    assert "example.org" not in caplog.text


def test_it_names_a_message_alike_when_it_is_sent_a_second_time(news):
    sign_up(news)
    service_mail.sweep()
    ServiceMail.objects.update(sent_at=None, due_at=timezone.now() - timedelta(seconds=1))
    service_mail.sweep()
    first, second = (message.extra_headers["Message-ID"] for message in mail.outbox)
    assert first == second


def test_it_leaves_a_claimed_mail_alone_until_its_lease_is_over(news):
    sign_up(news)
    next(service_mail.claims(Channel.EMAIL))
    assert service_mail.sweep() == 0
    ServiceMail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert service_mail.sweep() == 1


@pytest.mark.django_db(transaction=True)
def test_it_sends_each_mail_once_when_several_sweeps_run():
    make.organization()
    topic = make.topic()
    for number in range(30):
        sign_up(topic, f"p{number}@example.org")

    def sweep():
        try:
            service_mail.sweep()
        finally:
            connection.close()

    sweeps = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in sweeps:
        thread.start()
    for thread in sweeps:
        thread.join()
    assert sorted(message.to[0] for message in mail.outbox) == sorted(
        f"p{number}@example.org" for number in range(30)
    )
