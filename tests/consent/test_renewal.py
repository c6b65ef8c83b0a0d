"""How a permission goes on, ends by itself, or was never one; and the basis that is no consent."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from consent import gate, ledger, renewal, services, soft_opt_in
from consent.models import ConsentEvent, Kind, Method, Permission, Wording
from contacts import segments
from contacts.models import Channel
from tests import make

pytestmark = pytest.mark.django_db

EMAIL = Channel.EMAIL
FACTS = soft_opt_in.Facts(
    sale="Order 4711", products="books", collected_by="Lumen Books", refusal_offered="Box v2"
)


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=EMAIL).reason


def overdue(contact):
    """A consent of long ago that was valid for a day."""
    topic = make.topic()
    words = make.wording(topic, valid_for=timedelta(days=1))
    services.give_with_evidence(
        contact=contact, topic=topic, channel=EMAIL, occurred_at=make.LONG_AGO,
        source="Paper form", actor=ledger.staff(None), wording=words,
    )  # fmt: skip
    return topic


def test_it_records_the_end_of_what_ran_out_and_leaves_the_rest():
    ada, bo = make.contact(), make.contact()
    topic = overdue(ada)
    make.granted(bo, topic)
    Permission.objects.filter(contact=bo).update(valid_until=timezone.now() + timedelta(days=1))
    assert reason(ada, topic) == "expired"
    assert services.expire_permissions() == 1
    assert services.expire_permissions() == 0
    assert Permission.objects.get(contact=ada).state == "expired"
    assert ConsentEvent.objects.get(kind=Kind.EXPIRED).subject == ada.subject
    assert reason(bo, topic) == ""


def test_it_goes_on_when_the_person_renews_what_ran_out():
    ada = make.contact()
    topic = overdue(ada)
    services.expire_permissions()
    words = make.wording(topic, valid_for=timedelta(days=30))
    (event,) = renewal.renew(contact=ada, wordings=[words])
    assert (event.kind, reason(ada, topic)) == (Kind.RENEWED, "")
    assert Permission.objects.get(contact=ada).valid_until == event.occurred_at + words.valid_for


@pytest.mark.parametrize("kind", [Kind.WITHDRAWN, Kind.OBJECTED, Kind.REVOKED, Kind.REQUESTED])
def test_it_renews_nothing_where_no_yes_stands(kind):
    ada, topic = make.contact(), make.topic()
    if kind != Kind.REQUESTED:
        make.granted(ada, topic)
    ledger.record(
        contact=ada, topic=topic, channel=EMAIL, kind=kind, method=Method.STAFF, actor=ledger.SYSTEM
    )
    with pytest.raises(renewal.NotRenewable):
        renewal.renew(contact=ada, wordings=[make.wording(topic)])


def test_it_finds_who_is_to_be_asked_before_silence_ends_it():
    ada, bo, topic = make.contact(), make.contact(), make.topic()
    make.granted(ada, topic)
    make.granted(bo, topic)
    Permission.objects.filter(contact=ada).update(valid_until=timezone.now() + timedelta(days=20))
    rule = {"condition": "permission.product-news.email", "operator": "expires_in_the_next"}
    assert list(segments.matching(rule | {"value": 30})) == [ada]
    assert list(segments.matching(rule | {"value": 10})) == []


def test_it_renews_only_to_the_words_of_today():
    ada, topic = make.contact(), make.topic()
    make.granted(ada, topic)
    old = make.wording(topic)
    make.wording(topic, is_material=True)
    with pytest.raises(services.WordingNotOffered):
        renewal.renew(contact=ada, wordings=[old])


def test_it_ends_whatever_rests_on_words_found_bad():
    ada, bo, topic = make.contact(), make.contact(), make.topic()
    make.granted(ada, topic)
    words = make.wording(topic)
    make.wording(topic, valid_for=timedelta(days=99))
    make.granted(bo, topic)
    actor = ledger.staff(None)
    with pytest.raises(renewal.InvalidityUnexplained):
        renewal.invalidate_wording(wording=words, reason="bad", actor=actor)
    ended = renewal.invalidate_wording(
        wording=words, reason="It did not name who asks.", actor=actor
    )
    assert ended == 1
    assert (reason(ada, topic), reason(bo, topic)) == ("invalidated", "")
    assert ConsentEvent.objects.get(kind=Kind.INVALIDATED).wording == words
    assert renewal.invalidate_wording(wording=words, reason="Once more the same.", actor=actor) == 0


def test_it_offers_words_found_bad_to_nobody():
    topic = make.topic()
    words = make.wording(topic)
    renewal.invalidate_wording(
        wording=words, reason="It did not name who asks.", actor=ledger.staff(None)
    )
    assert not Wording.objects.current().exists()
    with pytest.raises(services.WordingNotOffered):
        services.request_consent(email="bo@example.org", wordings=[words], language="en")


def opt_in_softly(contact, topic, **facts):
    return soft_opt_in.record(
        contact=contact, topic=topic, channel=EMAIL, facts=replace(FACTS, **facts),
        occurred_at=make.LONG_AGO, actor=ledger.staff(None),
    )  # fmt: skip


def test_it_takes_no_soft_opt_in_by_default():
    with pytest.raises(soft_opt_in.SoftOptInOff):
        opt_in_softly(make.contact(), make.topic())


@pytest.mark.parametrize("fact", ["sale", "products", "collected_by", "refusal_offered"])
def test_it_takes_no_soft_opt_in_when_a_fact_is_missing(settings, fact):
    settings.SOFT_OPT_IN_REASON = "PECR regulation 22(3)"
    with pytest.raises(soft_opt_in.FactMissing):
        opt_in_softly(make.contact(), make.topic(), **{fact: " "})


@pytest.mark.parametrize(
    "kind", [Kind.WITHDRAWN, Kind.OBJECTED, Kind.REFUSED, Kind.COMPLAINED, Kind.EXPIRED,
             Kind.REVOKED, Kind.INVALIDATED, None],
)  # fmt: skip
def test_it_never_goes_from_a_consent_or_its_end_to_another_basis(settings, kind):
    settings.SOFT_OPT_IN_REASON = "PECR regulation 22(3)"
    ada, topic = make.contact(), make.topic()
    make.granted(ada, topic)
    if kind:
        ledger.record(contact=ada, topic=topic, channel=EMAIL, kind=kind, method=Method.STAFF,
                      actor=ledger.SYSTEM)  # fmt: skip
    before = reason(ada, topic)
    with pytest.raises(soft_opt_in.NotOpen):
        opt_in_softly(ada, topic)
    assert reason(ada, topic) == before
    assert not ConsentEvent.objects.filter(kind=Kind.BASIS_RECORDED).exists()


def test_it_ends_a_soft_opt_in_at_the_first_no(settings):
    settings.SOFT_OPT_IN_REASON = "PECR regulation 22(3)"
    ada, topic = make.contact(), make.topic()
    event = opt_in_softly(ada, topic)
    assert (reason(ada, topic), event.evidence.details["sale"]) == ("", "Order 4711")
    make.withdrawn(ada, topic)
    assert reason(ada, topic) == "withdrawn"
