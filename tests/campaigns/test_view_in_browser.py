"""The link in every message shows that message, to whoever holds it, and changes nothing."""

import pytest
from django.test import Client

from campaigns.models import Delivery
from contacts.models import Contact
from tests import make
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)


def _path(sink: Sink) -> str:
    """Where the message says it can be seen."""
    url = str(engine.read(sink.messages()[0])["List-Unsubscribe"]).strip("<>")
    return "/c/" + url.partition("/u/")[2]


def _sent(sink: Sink) -> Contact:
    topic = make.topic()
    ada = make.contact("ada@example.org", first_name="Ada")
    make.granted(ada, topic)
    engine.work(engine.started(make.campaign(topic)))
    return ada


def test_it_shows_the_message_that_was_sent(sink: Sink, client: Client) -> None:
    _sent(sink)

    response = client.get(_path(sink))

    assert response.status_code == 200
    assert "Hello Ada" in response.text
    assert _path(sink).removeprefix("/c") in response.text
    assert "default-src 'none'" in response["Content-Security-Policy"]


def test_it_shows_nothing_when_the_link_is_not_ours(client: Client) -> None:
    assert client.get("/c/preview/").status_code == 404


def test_it_shows_nothing_when_the_message_was_withheld(sink: Sink, client: Client) -> None:
    _sent(sink)
    Delivery.objects.update(state="withheld", reason="withdrawn")

    assert client.get(_path(sink)).status_code == 404


def test_it_takes_no_post(sink: Sink, client: Client) -> None:
    _sent(sink)

    assert client.post(_path(sink)).status_code == 405
