"""Links that are cut off, altered or invented: no event, no error, and no telling one from another."""

import base64
import os
import random
import re
import string
from urllib.parse import quote

import pytest
from django.urls import get_resolver

from campaigns import measurement
from campaigns.models import Delivery, Hit
from consent import links
from consent.models import ConsentEvent, Permission, ServiceMail, Suppression
from consent.sms import short_links
from contacts.models import Contact, SubjectRequest
from tests import make
from tests.campaigns import measuring
from tests.consent.public import manage_link, stop_link, stranger

pytestmark = pytest.mark.django_db
# Set it to 100000 for the long run.
HOW_MANY = int(os.environ.get("ASSENT_MUTATIONS", "2000"))
ALPHABET = string.ascii_letters + string.digits + "-_"
OTHERS = "=+.~!*'(),;:@&$ %é\u200b\x00\n"


def mutate(token, chance):
    """One random change; never the token itself."""
    cut = chance.randrange(len(token))
    letters = ALPHABET if chance.random() < 0.8 else OTHERS
    changed = chance.choice(
        [
            token[:cut],
            token[cut:] if cut else token[1:],
            token[:cut] + chance.choice(letters) + token[cut + 1 :],
            token[:cut] + chance.choice(letters) + token[cut:],
            token[:cut] + token[cut + 1 :],
            token.swapcase(),
            token * 2,
            token[::-1],
            "".join(chance.choices(letters, k=chance.randrange(1, 200))),
            _flip(token, chance),
        ]
    )
    return changed if changed not in ("", token, ".", "..") else "x"


def _flip(token, chance):
    token = token[: len(token) - (len(token) % 4 == 1)]  # of a short code, what base64 can hold
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


PLACES = {
    "stop": "/u/{}/",
    "ask_by_stop_link": "/m/{}/",
    "view_in_browser": "/c/{}/",
    "lead_on": "/k/{}/1/",
    "pixel": "/o/{}.gif",
    "confirm": "/confirm/{}/",
    "undo": "/undo/{}/",
    "new_address": "/address/{}/",
    "renew": "/renew/{}/",
    "preferences": "/preferences/{}/",
    "my_data": "/preferences/{}/data/",
    "my_data_download": "/preferences/{}/data.json",
    "erase": "/preferences/{}/data/erase/",
    "short_link": "/s/{}",
    "short_link_with_slash": "/s/{}/",
}
# Everything that a button of these pages says.
PRESSED = {
    "page": "1", "stop": "everything", "do": "erase", "ask": "object", "email": "x@example.org",
}  # fmt: skip


@pytest.fixture
def ada():
    make.organization()
    ada = make.contact("ada@example.org")
    make.granted(ada, make.topic())
    return ada


def token_for(place, ada):
    """A link that would work, of the kind that this place takes."""
    news = make.topic()
    if place in {"stop", "ask_by_stop_link", "view_in_browser"}:
        return stop_link(ada, news.key)
    if place in {"lead_on", "pixel"}:
        return hit_link(ada, news)
    if place.startswith("short_link"):
        minted = short_links.mint("stop", stop_link(ada, news.key))
        short_links.keep([minted])
        return minted.url.rpartition("/")[2]
    details = {
        "confirm": {"address": ada.addresses.get().pk, "wordings": [make.wording(news).pk]},
        "undo": {"event": make.withdrawn(ada, news).pk, "contact": ada.pk},
        "new_address": {"contact": ada.pk, "email": "ada@new.example"},
        "renew": {
            "address": ada.addresses.get().pk,
            "event": ada.permissions.get(topic=news).event_id,
        },
    }
    if place in details:
        return links.manage_token(place, lifetime_s=3600, **details[place])
    return manage_link(ada)


def test_it_is_tried_at_every_place_that_takes_a_token():
    taking = {
        pattern.name
        for namespace in ("consent", "campaigns")
        for resolver in get_resolver().url_patterns
        if getattr(resolver, "namespace", "") == namespace
        for pattern in resolver.url_patterns
        if re.search("<str:(token|code)>", str(pattern.pattern))
    }
    assert taking == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_it_answers_every_mutated_link_with_the_same_bytes(place, settings, ada):
    settings.DEBUG = False
    token = token_for(place, ada)
    before = state_of_everything()
    chance = random.Random(place)
    client = stranger()
    looked, pressed, one_click = set(), set(), set()
    for number in range(HOW_MANY // len(PLACES)):
        path = PLACES[place].format(_quoted(mutate(token, chance)))
        looked.add(_answer(client.get(path)))
        if number % 4 == 0:
            pressed.add(_answer(client.post(path, PRESSED)))
            one_click.add(_answer(client.post(path, {"List-Unsubscribe": "One-Click"})))
    assert len(looked) == 1
    assert len(pressed) == 1
    assert len(one_click) == 1
    [(status, _headers, _body)] = looked
    assert status == 404
    if place not in {
        "view_in_browser",
        "my_data_download",
        "lead_on",
        "pixel",
    }:  # which take no POST at all
        assert looked == pressed
    assert state_of_everything() == before


def hit_link(ada, news):
    """A link by which Ada would be counted."""
    measuring.permit(ada)
    campaign = measuring.campaign(news)
    measurement.write_down(campaign)
    delivery = Delivery.objects.create(campaign=campaign, contact=ada, is_measured=True)
    return links.hit_token(links.Hit(campaign.pk, delivery.pk, 2**40))


def state_of_everything():
    """What a link that was taken for a whole one would have changed."""
    return (
        ConsentEvent.objects.count(),
        Hit.objects.count(),
        ServiceMail.objects.count(),
        SubjectRequest.objects.count(),
        list(Contact.objects.order_by("pk").values_list("pk", "erased_at", "restricted_at")),
        list(Permission.objects.order_by("pk").values_list("pk", "state", "event_id")),
        list(Suppression.objects.order_by("pk").values_list("pk", "since")),
    )


def _quoted(token):
    return quote(token, safe="")


def _answer(response):
    return response.status_code, tuple(sorted(response.items())), response.content
