"""Two people at one segment: nobody overwrites a rule that they have not seen, and nobody loses any."""

import json
import re

import pytest
from django.db import transaction
from django.urls import reverse

from contacts.models import Segment
from tests import make
from tests.beside import elsewhere, somebody_waits_for_us

pytestmark = pytest.mark.django_db
SENTENCE = "Somebody saved this after you opened it."
FRENCH = {"condition": "language", "operator": "is", "value": "fr"}
MINE = {"condition": "language", "operator": "is", "value": "en"}


@pytest.fixture
def segment():
    return Segment.objects.create(name="Everybody", rule={})


@pytest.fixture
def page(segment, client):
    client.force_login(make.staff("nora"))
    return reverse("admin:contacts_segment_change", args=[segment.pk])


def seen(answer):
    (digest,) = re.findall(r'name="_seen" value="(\w{64})"', answer.content.decode())
    return digest


def mine(digest):
    return {"name": "Mine", "rule": json.dumps(MINE), "_seen": digest}


@pytest.mark.parametrize("theirs", [{"name": "Theirs"}, {"rule": FRENCH}])
def test_it_refuses_once_to_overwrite_a_segment_that_somebody_saved_meanwhile(
    client, segment, page, theirs
):
    opened = seen(client.get(page))
    Segment.objects.update(**theirs)
    refused = client.post(page, mine(opened))
    assert refused.status_code == 200
    shown = refused.content.decode()
    assert SENTENCE in shown
    assert 'value="Mine"' in shown
    assert "&quot;value&quot;: &quot;en&quot;" in shown
    segment.refresh_from_db()
    assert (segment.name, segment.rule) == (theirs.get("name", "Everybody"), theirs.get("rule", {}))
    assert client.post(page, mine(seen(refused))).status_code == 302
    segment.refresh_from_db()
    assert (segment.name, segment.rule) == ("Mine", MINE)


def test_it_shows_the_rule_that_is_saved_now_also_in_words(client, page):
    opened = seen(client.get(page))
    Segment.objects.update(name="Theirs", rule=FRENCH)
    refused = client.post(page, mine(opened), headers={"accept-language": "fr"})
    assert "a enregistré cette page après" in refused.content.decode()
    (saved,) = refused.context["saved_now"]
    assert (saved.title, json.loads(saved.text)) == ("Theirs", FRENCH)
    assert saved.note in refused.content.decode()


def test_it_saves_a_segment_that_nobody_saved_meanwhile(client, segment, page):
    opened = seen(client.get(page))
    assert client.post(page, mine(opened)).status_code == 302
    segment.refresh_from_db()
    assert segment.rule == MINE
    assert seen(client.get(page)) != opened


def test_it_says_nothing_of_others_where_the_rule_itself_is_wrong(client, page):
    opened = seen(client.get(page))
    refused = client.post(page, mine(opened) | {"rule": "{"})
    assert SENTENCE not in refused.content.decode()
    assert seen(refused) == opened


@pytest.mark.django_db(transaction=True)
def test_it_refuses_what_was_saved_at_the_same_moment(client, segment, page):
    opened = seen(client.get(page))
    answers = []
    with transaction.atomic():
        Segment.objects.filter(pk=segment.pk).update(rule=FRENCH)
        pressed = elsewhere(lambda: answers.append(client.post(page, mine(opened))))
        somebody_waits_for_us()
    pressed.join()
    assert SENTENCE in answers[0].content.decode()
    segment.refresh_from_db()
    assert segment.rule == FRENCH
