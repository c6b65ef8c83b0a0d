"""The address in the header of a message that really went out takes one click (RFC 8058), behind HTTPS."""

from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest
from django.test import Client, override_settings

from consent.models import ConsentEvent, Kind, Method
from contacts.models import Contact
from tests import make
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)
BODY = "List-Unsubscribe=One-Click"
BOUNDARY = "gmail-like-boundary"
BODIES = {
    "application/x-www-form-urlencoded": BODY,
    f"multipart/form-data; boundary={BOUNDARY}": (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
        f"One-Click\r\n--{BOUNDARY}--\r\n"
    ),
}


def _message(sink: Sink) -> tuple[Contact, EmailMessage]:
    """What arrived at the receiving side of a campaign."""
    topic, other = make.topic(), make.topic("offers")
    ada = make.contact("ada@example.org", language="fr")
    make.granted(ada, topic)
    make.granted(ada, other)
    with override_settings(PUBLIC_URL="https://news.example"):
        engine.work(engine.started(make.campaign(topic)))
    return ada, engine.read(sink.messages()[0])


@pytest.mark.parametrize("content_type", BODIES, ids=["urlencoded", "multipart"])
def test_it_answers_200_at_once_without_redirect_or_cookie(sink: Sink, content_type: str) -> None:
    ada, message = _message(sink)
    assert message["List-Unsubscribe-Post"] == BODY
    url = str(message["List-Unsubscribe"]).strip("<>")
    before = ConsentEvent.objects.count()
    with override_settings(
        DEBUG=False,
        SECURE_SSL_REDIRECT=True,
        APPEND_SLASH=True,
        PREPEND_WWW=False,
        ALLOWED_HOSTS=["news.example"],
        PUBLIC_URL="https://news.example",
    ):
        answer = Client(enforce_csrf_checks=True).generic(
            "POST",
            urlsplit(url).path,
            BODIES[content_type],
            content_type=content_type,
            secure=True,
            headers={"host": "news.example", "accept-language": "fr"},
        )
    assert url.startswith("https://news.example/")
    assert answer.status_code == 200
    assert "Location" not in answer
    assert "Set-Cookie" not in answer
    assert not answer.cookies
    [event] = ConsentEvent.objects.order_by("pk")[before:]
    assert (event.kind, event.method, event.topic_id, event.channel) == (
        Kind.WITHDRAWN,
        Method.ONE_CLICK,
        "product-news",
        "email",
    )
    assert ada.permissions.granted().get().topic.key == "offers"
    assert event.evidence.details["message"] == str(ada.deliveries.get().pk)
