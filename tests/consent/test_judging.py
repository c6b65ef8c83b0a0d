"""The gate asked about many at once: it counts by reason what it says of each, exactly or from a sample."""

import pytest
from django.db import connection

from consent import gate, judging
from contacts.models import Contact
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic():
    topic = make.topic()
    ada, bo, cy, dee = (make.contact(f"{name}@example.org") for name in ("ada", "bo", "cy", "dee"))
    for person in (ada, bo, cy):
        make.granted(person, topic)
    make.withdrawn(cy, topic)
    assert dee.pk
    return topic


def counted(people, topic):
    return judging.counts(people, topic=topic, channel="email")


def test_it_counts_what_the_gate_says_of_each(topic):
    people = Contact.objects.living()
    decided = [gate.explain(contact=each, topic=topic, channel="email").reason for each in people]
    assert len(decided) == 4
    assert dict(counted(people, topic)) == {
        reason: decided.count(reason) for reason in set(decided)
    }
    assert counted(people, topic)[0] == ("", 2)


def test_it_counts_only_the_people_it_is_given(topic):
    ada = Contact.objects.order_by("pk")[:1].get()
    assert counted(Contact.objects.filter(pk=ada.pk), topic) == [("", 1)]
    assert counted(Contact.objects.none(), topic) == []
    assert counted(Contact.objects.filter(language__contains="100%s"), topic) == []


def test_it_judges_each_of_a_few(topic):
    people = Contact.objects.living()
    judged = judging.estimates(people, total=4, topic=topic, channel="email")
    assert judged == counted(people, topic)


def test_it_scales_a_sample_to_the_whole_in_figures_that_it_can_tell(topic, monkeypatch):
    monkeypatch.setattr(judging, "FEW", 3)
    monkeypatch.setattr(judging, "SAMPLED", 4_937)
    people = Contact.objects.living()
    shares = {reason: count / 4 for reason, count in counted(people, topic)}
    estimated = judging.estimates(people, total=4_937, topic=topic, channel="email")
    assert dict(estimated) == {
        reason: {0.5: 2_500, 0.25: 1_200}[share] for reason, share in shares.items()
    }


def test_it_looks_at_a_sample_only_where_they_are_many(topic, monkeypatch):
    monkeypatch.setattr(judging, "FEW", 3)
    monkeypatch.setattr(judging, "SAMPLED", 0)
    people = Contact.objects.living()
    assert judging.estimates(people, total=4, topic=topic, channel="email") == []
    assert judging.estimates(people, total=3, topic=topic, channel="email") != []


def test_it_lets_the_plan_by_keys_end_with_its_question(topic):
    judging.estimates(Contact.objects.living(), total=4, topic=topic, channel="email")
    with connection.cursor() as cursor:
        for each in judging._WHOLE_READS:
            cursor.execute(f"SHOW {each}")
            assert cursor.fetchone() == ("on",)
