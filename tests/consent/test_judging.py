"""The gate asked about many at once: it counts by reason what it says of each, exactly or from a sample."""

import pytest

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


def test_it_scales_a_sample_to_the_whole(topic):
    people = Contact.objects.living()
    estimated = judging.estimates(people, total=8, topic=topic, channel="email")
    assert estimated == [(reason, 2 * count) for reason, count in counted(people, topic)]


def test_it_looks_at_a_sample_only_where_they_are_many(topic, monkeypatch):
    monkeypatch.setattr(judging, "SAMPLED", 0)
    people = Contact.objects.living()
    assert judging.estimates(people, total=4, topic=topic, channel="email") == []
