"""A campaign reaches everybody who may get it, once, and says why everybody else does not."""

import pytest
from django.conf import LazySettings

from campaigns import delivery
from campaigns.models import Campaign, Delivery
from consent import links
from tests import make
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_sends_to_who_may_get_it_and_withholds_with_the_reason(sink: Sink) -> None:
    topic = make.topic()
    ada, bo, cy = (make.contact(f"{name}@example.org") for name in ("ada", "bo", "cy"))
    event = make.granted(ada, topic)
    make.granted(cy, topic)
    no = make.withdrawn(cy, topic)
    campaign = engine.started(make.campaign(topic))

    engine.work(campaign)

    assert campaign.state == Campaign.State.SENT
    assert [taken.recipient for taken in sink.taken()] == ["ada@example.org"]
    rows = Delivery.objects.values_list("contact", "state", "reason", "event", "attempt")
    assert set(rows) == {
        (ada.pk, "sent", "", event.pk, 1),
        (bo.pk, "withheld", "never_asked", None, 0),
        (cy.pk, "withheld", "withdrawn", no.pk, 0),
    }


def test_it_sends_the_headers_and_links_of_a_newsletter(sink: Sink, settings: LazySettings) -> None:
    topic = make.topic()
    ada = make.contact("ada@example.org", first_name="Ada")
    make.granted(ada, topic)
    campaign = engine.started(make.campaign(topic))

    engine.work(campaign)

    message = engine.read(sink.messages()[0])
    url = message["List-Unsubscribe"].strip("<>")
    token = url.removeprefix(f"{settings.PUBLIC_URL}/u/").removesuffix("/")
    stop = links.read_stop(token)
    assert stop.subject == ada.subject
    assert (stop.topic, stop.channel) == (topic.key, "email")
    assert stop.message == Delivery.objects.get().pk
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"] == "Product news <product-news.lumen.example>"
    assert message["From"] == "Lumen Books <news@lumen.example>"
    text, html = (part.get_content() for part in message.iter_parts())
    for body in (text, html):
        assert "Hello Ada" in body
        assert "12 rue des Lilas" in body
        for path in ("u", "m", "c"):
            assert f"{settings.PUBLIC_URL}/{path}/{token}/" in body


def test_it_speaks_the_language_of_the_person_and_falls_back_to_the_first(sink: Sink) -> None:
    topic = make.topic()
    campaign = make.campaign(topic)
    campaign.contents.create(language="fr", subject="Ce mois-ci", body="Bonjour.")
    subjects = {"en": "New this month", "fr-CA": "Ce mois-ci", "de": "New this month"}
    for language in subjects:
        make.granted(make.contact(f"{language}@example.org".lower(), language=language), topic)
    engine.work(engine.started(campaign))

    sent = {str(m["To"]): str(m["Subject"]) for m in map(engine.read, sink.messages())}

    assert sent == {f"{lang}@example.org".lower(): subjects[lang] for lang in subjects}


def test_it_sends_once_when_tasks_are_delivered_twice(sink: Sink) -> None:
    topic = make.topic()
    for _ in range(45):
        make.granted(make.contact(), topic)
    campaign = engine.started(make.campaign(topic))

    for _ in range(3):
        for number in range(2):
            delivery.work(campaign_id=campaign.pk, number=number)
    engine.work(campaign)

    recipients = [taken.recipient for taken in sink.taken()]
    assert len(recipients) == len(set(recipients)) == 45
    assert engine.states(campaign) == {"sent": 45}
