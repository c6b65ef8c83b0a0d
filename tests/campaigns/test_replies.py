"""What a relay said is read in one's own language, with its own words beside."""

import pytest
from django.conf import LazySettings
from django.urls import reverse
from django.utils import translation

from campaigns import delivery, replies
from campaigns.models import Campaign, Delivery
from campaigns.transports import RelayDown
from campaigns.transports.texts import TextTransport
from contacts.models import Address
from tests import make
from tests.campaigns import engine
from tests.sink import Mode, Sink


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("5.1.1 User unknown", "there is no such mailbox"),
        ("smtp; 550 5.1.10 null MX", "the domain takes no mail"),
        ("5.1.4 ambiguous", "something is wrong with the address"),
        ("4.2.2 Over quota", "the mailbox is full"),
        ("4.2.0 later", "the mailbox cannot take it"),
        ("4.3.1 disk", "the mail server cannot take it"),
        ("5.3.4 too big", "the message is too large"),
        ("4.4.7 expired", "the way there is interrupted"),
        ("5.5.1 bad sequence", "the mail servers did not understand each other"),
        ("5.6.0 broken", "the content cannot be taken"),
        ("5.7.1 Blocked by Spamhaus", "the rules of the receiving side refuse it"),
    ],
)
def test_it_says_plainly_what_a_status_means_and_quotes_the_server(words: str, plain: str) -> None:
    assert str(replies.explained(words)) == f"{plain}: “{words}”"


@pytest.mark.parametrize("words", ["try again later", "HTTP 500", "5.0.0 other", "10.5.1.1 host"])
def test_it_only_quotes_what_names_no_status_it_knows(words: str) -> None:
    assert str(replies.explained(words)) == f"“{words}”"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("peer", ["5.1.1.9", "10.5.1.1", "192.5.1.1"])
def test_it_condemns_no_address_for_the_network_address_in_a_reply(sink: Sink, peer: str) -> None:
    topic = make.topic()
    make.granted(make.contact("ada@example.org"), topic)
    campaign = engine.started(make.campaign(topic))
    sink.change(Mode(refuse={"ada": f"550 nothing is taken from {peer}"}))
    engine.work(campaign)
    sink.change(Mode())

    assert engine.states(campaign) == {"failed": 1}
    assert Address.objects.get().undeliverable_at is None


@pytest.mark.parametrize("words", [replies.LOST_AFTER.text, replies.gateway_code(30005)])
def test_it_quotes_nobody_where_the_words_are_ours(words: str) -> None:
    assert str(replies.explained(words)) == words
    with translation.override("fr"):
        assert str(replies.explained(words)) not in {words, f"«\u00a0{words}\u00a0»"}


def test_it_says_nothing_where_nothing_was_said() -> None:
    assert replies.explained("") == ""


@pytest.mark.django_db(transaction=True)
def test_it_explains_a_refusal_on_the_desk_in_french(sink: Sink, client) -> None:
    topic = make.topic()
    make.granted(make.contact("ada@example.org"), topic)
    campaign = engine.started(make.campaign(topic))
    sink.change(Mode(refuse={"ada": "550 5.1.1 <ada@example.org> unknown"}))
    engine.work(campaign)
    sink.change(Mode())

    client.force_login(make.staff())
    page = reverse("admin:campaigns_delivery_change", args=[Delivery.objects.get().pk])
    shown = client.get(page, headers={"accept-language": "fr"}).content.decode()
    assert "cette boîte n\u2019existe pas\u00a0: «\u00a05.1.1 &lt;…&gt; unknown\u00a0»" in shown


@pytest.mark.django_db(transaction=True)
def test_it_pauses_on_a_burst_with_words_for_every_reader(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "BURST", 1)
    topic = make.topic()
    make.granted(make.contact(), topic)
    campaign = engine.started(make.campaign(topic))
    sink.change(Mode(final="451 4.7.1 Greylisted"))
    engine.work(campaign)
    sink.change(Mode())

    assert campaign.state == Campaign.State.PAUSED
    assert "the receiving side refuse it: “4.7.1 Greylisted”" in str(campaign.state_reason)
    with translation.override("fr"):
        assert "refusent\u00a0: «\u00a04.7.1 Greylisted\u00a0»" in str(campaign.state_reason)


@pytest.mark.django_db(transaction=True)
def test_it_pauses_in_french_words_when_the_relay_is_out(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "OUTAGE_PATIENCE_S", 0.0)
    topic = make.topic()
    make.granted(make.contact(), topic)
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    campaign = engine.work(engine.started(make.campaign(topic)))

    with translation.override("fr"):
        assert "impossible de joindre le relais\u00a0: «\u00a0" in str(campaign.state_reason)


def test_it_says_in_french_that_no_gateway_is_there(settings: LazySettings) -> None:
    settings.SMS_GATEWAY_URL = ""
    with pytest.raises(RelayDown) as caught, translation.override("fr"):
        TextTransport()
    with translation.override("fr"):
        assert str(caught.value) == "aucune passerelle SMS n\u2019est configurée (SMS_URL)"
