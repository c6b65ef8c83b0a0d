"""People are asked to renew a yes that stands, twice at most; silence ends it."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from consent import gate, ledger, renewing, sealing, service_mail, services, verification
from consent.models import (
    ConsentEvent,
    Kind,
    Permission,
    RenewalRequest,
    RenewalRound,
    ServiceMail,
)
from contacts.models import Channel, Contact
from tests import make

pytestmark = pytest.mark.django_db

EMAIL = Channel.EMAIL


@pytest.fixture
def news():
    make.organization()
    return make.topic()


@pytest.fixture
def ada(news):
    """Ada, whose yes ends in ten days."""
    return ending(news, "ada@example.org", days=10)


def ending(topic, email=None, *, days):
    """Somebody whose yes, of long ago, ends in some days."""
    words = make.wording(topic, valid_for=timezone.now() - make.LONG_AGO + timedelta(days=days))
    contact = make.contact(email)
    services.give_with_evidence(
        contact=contact, topic=topic, channel=EMAIL, occurred_at=make.LONG_AGO, source="Paper form",
        actor=ledger.staff(None), wording=words,
    )  # fmt: skip
    return contact


def start(topic, **fields):
    return renewing.start(
        **{"topic": topic, "channel": EMAIL, "days_before": 30, "started_by_id": None} | fields
    )


def ask_and_send():
    """What the tasks do, until nothing is left of this pass; returns the requests so far."""
    RenewalRound.objects.update(next_pass_at=Now(), walked_to=0)
    while renewing.ask():
        service_mail.sweep()
    return [message for message in mail.outbox if "shall it go on" in message.subject]


def links(message):
    return [re.sub(r"^\w+://[^/]+", "", url) for url in re.findall(r"http://\S+", message.body)]


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=EMAIL).reason


def test_it_asks_nobody_before_it_is_started(ada):
    assert renewing.ask() == 0
    assert not ServiceMail.objects.exists()


def test_it_asks_whose_yes_ends_soon_and_nobody_else(news, ada):
    later = ending(news, days=100)
    gone = ending(news, days=10)
    make.withdrawn(gone, news)
    paused = ending(news, days=10)
    services.pause(contact=paused, weeks=4, now=timezone.now())
    over = ending(news, days=-1)
    make.contact()
    start(news)
    assert [message.to for message in ask_and_send()] == [["ada@example.org"]]
    asked = {request.event.subject for request in RenewalRequest.objects.all()}
    assert asked == {ada.subject}
    assert not asked & {later.subject, gone.subject, paused.subject, over.subject}


def test_it_says_what_stands_until_when_and_offers_no_as_plainly_as_yes(news, ada):
    start(news)
    (message,) = ask_and_send()
    end = Permission.objects.get(contact=ada).valid_until
    assert f"{end:%Y}" in message.body
    assert make.wording(news).text in message.body
    html = message.alternatives[0][0]
    buttons = re.findall(r'<a href="[^"]+" style="([^"]*)">(Yes, go on|No, stop)</a>', html)
    assert [words for _style, words in buttons] == ["Yes, go on", "No, stop"]
    assert len({style for style, _words in buttons}) == 1


def test_it_changes_nothing_when_the_link_is_only_looked_at(client, news, ada):
    start(news)
    events = ConsentEvent.objects.count()
    for url in links(ask_and_send()[0])[:1]:
        assert client.get(url).status_code == 200
        assert client.head(url).status_code == 200
    assert ConsentEvent.objects.count() == events


def test_it_goes_on_when_the_person_says_yes(client, news, ada):
    order = start(news)
    url = links(ask_and_send()[0])[0]
    words = make.wording(news)
    answer = client.post(url, {"do": "yes", "words": words.digest})
    assert b"goes on" in answer.content
    event = ConsentEvent.objects.get(kind=Kind.RENEWED)
    assert (event.subject, event.wording) == (ada.subject, words)
    assert event.evidence.details["seen"] == "Yes, go on"
    assert Permission.objects.get(contact=ada).valid_until == event.occurred_at + words.valid_for
    assert renewing.progress(order)[0] == renewing.Progress(1, 1, 0, 0, 0)
    assert client.post(url, {"do": "yes", "words": words.digest}).status_code == 410
    assert client.post(url, {"do": "no"}).status_code == 410


def test_it_stops_when_the_person_says_no(client, news, ada):
    order = start(news)
    url = links(ask_and_send()[0])[0]
    assert b"is stopped" in client.post(url, {"do": "no"}).content
    assert reason(ada, news) == "withdrawn"
    assert renewing.progress(order)[0] == renewing.Progress(1, 0, 1, 0, 0)
    words = make.wording(news)
    assert client.post(url, {"do": "yes", "words": words.digest}).status_code == 410
    assert Permission.objects.get(contact=ada).stopped


def test_it_ends_in_silence(news, ada):
    order = start(news)
    ask_and_send()
    assert renewing.progress(order)[0].waiting == 1
    Permission.objects.filter(contact=ada).update(valid_until=Now())
    services.expire_permissions()
    assert reason(ada, news) == "expired"
    assert renewing.progress(order)[0] == renewing.Progress(1, 0, 0, 0, 1)


def test_it_records_no_yes_to_words_that_were_not_shown(client, news, ada):
    start(news)
    url = links(ask_and_send()[0])[0]
    shown = make.wording(news).digest
    make.wording(news, is_material=True)
    answer = client.post(url, {"do": "yes", "words": shown})
    assert b"The words have changed" in answer.content
    assert not ConsentEvent.objects.filter(kind=Kind.RENEWED).exists()


def test_it_asks_who_said_yes_to_older_words_when_the_change_is_material(news):
    ada, bo = make.contact("ada@example.org"), make.contact("bo@example.org")
    make.granted(ada, news)
    make.wording(news, is_material=False)
    start(news)
    assert ask_and_send() == [], "a typing mistake asks nobody"
    make.wording(news, is_material=True)
    make.granted(bo, news)
    assert reason(ada, news) == "needs_renewal"
    (message,) = ask_and_send()
    assert message.to == ["ada@example.org"]
    assert "has changed since" in message.body


def test_it_asks_about_one_yes_twice_at_most(news, ada):
    start(news)
    for _ in range(3):
        ask_and_send()
    assert len(mail.outbox) == 1, "not again at once"
    for _ in range(3):
        RenewalRequest.objects.update(asked_at=Now() - timedelta(days=15))
        ask_and_send()
    assert len(mail.outbox) == 2
    renewing.stop(order=RenewalRound.objects.get())
    start(news)
    ask_and_send()
    assert len(mail.outbox) == 2, "a new round is no new chance"


def test_it_writes_nothing_when_the_person_answered_before_the_mail_left(news, ada):
    start(news)
    assert renewing.ask() == 1
    make.withdrawn(ada, news)
    service_mail.sweep()
    assert not mail.outbox
    assert ServiceMail.objects.get().given_up_at


def test_it_leaves_room_in_the_outbox_for_confirmations(news, monkeypatch):
    monkeypatch.setattr(renewing, "MOST_WAITING", 3)
    for _ in range(5):
        ending(news, days=10)
    start(news)
    assert [renewing.ask(), renewing.ask()] == [3, 0]
    service_mail.sweep()
    assert [renewing.ask(), renewing.ask()] == [2, 0]


def test_it_walks_through_everybody_in_steps(news, monkeypatch):
    monkeypatch.setattr(renewing, "WALK", 2)
    people = [ending(news, days=10) for _ in range(5)]
    start(news)
    while RenewalRound.objects.running().filter(next_pass_at__lte=Now()).exists():
        renewing.ask()
    assert {r.event.subject for r in RenewalRequest.objects.all()} == {p.subject for p in people}


def test_it_asks_nobody_further_when_it_is_stopped(news, ada):
    renewing.stop(order=start(news))
    assert ask_and_send() == []


def test_it_starts_once_per_topic_and_channel(news):
    make.wording(news)
    start(news)
    with pytest.raises(renewing.RunningAlready):
        start(news)


def test_it_starts_nowhere_without_words(news):
    with pytest.raises(renewing.NothingToRenewTo):
        start(news)


def test_it_counts_who_would_be_asked(news, ada):
    ending(news, days=100)
    assert renewing.due(topic=news, channel=EMAIL, days_before=30).result == 1
    need = next(need for need in renewing.needs()[0] if need.channel == EMAIL)
    assert (need.granted, need.ending, need.outdated) == (2, 1, 0)
    make.wording(news, is_material=True)
    need = next(need for need in renewing.needs()[0] if need.channel == EMAIL)
    assert need.outdated == 2


def test_it_never_brings_back_who_said_no_through_an_old_link(client, news, ada):
    start(news)
    url = links(ask_and_send()[0])[0]
    services.object_to_everything(contact=ada, method="preferences")
    words = make.wording(news)
    assert client.post(url, {"do": "yes", "words": words.digest}).status_code == 410
    assert Permission.objects.get(contact=ada, topic=news).stopped
    Contact.objects.filter(pk=ada.pk).update(erased_at=Now())
    assert client.get(url).status_code == 410


def test_it_keeps_the_ledger_whole(client, news, ada):
    start(news)
    client.post(links(ask_and_send()[0])[0], {"do": "yes", "words": make.wording(news).digest})
    sealing.seal()
    assert verification.verify().ok


# The desk


def test_it_starts_watches_and_stops_on_the_desk(admin_client, news, ada):
    page = admin_client.get(reverse("admin:consent_renewalround_changelist"))
    assert "Ask them" in page.content.decode()
    add = reverse("admin:consent_renewalround_add")
    asked = admin_client.get(f"{add}?topic={news.pk}&channel=email").content.decode()
    assert "1 person would be asked now." in asked
    posted = {"topic": news.pk, "channel": "email", "days_before": 30}
    assert admin_client.post(add, posted).status_code == 302
    order = RenewalRound.objects.get()
    assert order.started_by_id is not None
    ask_and_send()
    change = reverse("admin:consent_renewalround_change", args=[order.pk])
    assert "<dt>Asked</dt><dd>1</dd>" in admin_client.get(change).content.decode()
    stop = reverse("admin:consent_renewalround_stop", args=[order.pk])
    assert admin_client.get(stop).status_code == 200
    assert RenewalRound.objects.running().exists()
    admin_client.post(stop)
    assert not RenewalRound.objects.running().exists()


@pytest.mark.parametrize(
    ("posted", "why"),
    [
        ({"channel": "data"}, "not offered on this channel"),
        ({"days_before": 365}, "less than or equal to 90"),
        ({"channel": "sms"}, "no published words"),
    ],
)
def test_it_says_why_it_does_not_start(admin_client, news, ada, posted, why):
    form = {"topic": news.pk, "channel": "email", "days_before": 30} | posted
    page = admin_client.post(reverse("admin:consent_renewalround_add"), form)
    assert why in page.content.decode()
    assert not RenewalRound.objects.exists()


def test_it_says_so_when_people_are_being_asked_already(admin_client, news, ada):
    start(news)
    form = {"topic": news.pk, "channel": "email", "days_before": 30}
    page = admin_client.post(reverse("admin:consent_renewalround_add"), form)
    assert "being asked about this topic and channel already" in page.content.decode()


def test_it_asks_no_more_often_for_many_topics(admin_client, news, django_assert_max_num_queries):
    for number in range(8):
        make.wording(make.topic(f"topic-{number}"))
    with django_assert_max_num_queries(25):
        admin_client.get(reverse("admin:consent_renewalround_changelist"))
