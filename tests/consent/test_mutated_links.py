"""Links that are cut off, altered or invented: no event, no error, and no telling one from another."""

import base64
import os
import random
import string
from urllib.parse import quote

import pytest

from consent.models import ConsentEvent
from tests import make
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
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize("where", ["u", "confirm", "preferences", "m", "undo"])
def test_it_answers_every_mutated_link_with_the_same_bytes(where, settings):
    settings.DEBUG = False
    make.organization()
    news = make.topic()
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    token = stop_link(ada, news.key) if where in "um" else manage_link(ada)
    before = ConsentEvent.objects.count()
    chance = random.Random(where)
    client = stranger()
    looked, pressed, one_click = set(), set(), set()
    for number in range(HOW_MANY // 5):
        mutated = mutate(token, chance)
        path = f"/{where}/{_quoted(mutated)}/"
        looked.add(_answer(client.get(path)))
        if number % 4 == 0:
            pressed.add(
                _answer(client.post(path, {"page": "1", "stop": "everything", "do": "stop"}))
            )
            one_click.add(_answer(client.post(path, {"List-Unsubscribe": "One-Click"})))
    assert len(looked) == 1
    assert looked == pressed
    assert {status for status, *_ in looked} == {404}
    assert len(one_click) == 1
    assert ConsentEvent.objects.count() == before


def _quoted(token):
    return quote(token, safe="")


def _answer(response):
    return response.status_code, tuple(sorted(response.items())), response.content
