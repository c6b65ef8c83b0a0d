"""Whatever is written, reading it costs no more than a long newsletter does: the work is counted, not timed.

Work is what Python calls; where a pattern alone could run away, processor time stands for it.
"""

import sys
import time

import pytest
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns import checks, content
from campaigns.reading import Reading
from campaigns.stumbling import in_words
from tests import make
from tests.campaigns.letters import compiled
from tests.campaigns.test_approval import form_of

LENGTH = 70_000
# What a newsletter of that length may take.
MOST_CALLS = 3_000_000
REPEATED = 12_000
PATTERN_SECONDS = 4
ENDLESS = {
    "images that never close": "![",
    "brackets that never close": "[",
    "links that never close": "[a](b",
    "addresses in angles that never close": "[a](<b",
    "emphasis around brackets": "*a[b",
    "lists": "- a\n",
    "words after lists": "- a\nb\n",
    "lists in lists": "- a\n  - b\n    - c\n      - d\n",
    "empty lists": "-\n",
    "definitions": "[\n",
}
BEGINNINGS = {
    "a title that never closes": "[a]: x '\n",
    "a table of many columns": f"{'|a' * 300}|\n{'|-' * 300}|\n",
}


class TooManyCalls(Exception):
    """More than any message needs."""


def calls_of(do):
    """How often Python called something meanwhile, counted up to what is too much."""
    calls = 0

    def count(_frame, event, _argument):
        nonlocal calls
        calls += event == "call"
        if calls > MOST_CALLS:
            raise TooManyCalls

    sys.setprofile(count)
    try:
        do()
    finally:
        sys.setprofile(None)
    return calls


def compiles_or_refuses(body, markup="markdown"):
    try:
        compiled(body, markup=markup)
    except content.ContentError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "body",
    [
        *(pytest.param(each * (LENGTH // len(each)), id=name) for name, each in ENDLESS.items()),
        *(pytest.param(each + "a\n" * (LENGTH // 3), id=name) for name, each in BEGINNINGS.items()),
        pytest.param("[" * (LENGTH // 2) + "]" * (LENGTH // 2), id="brackets within brackets"),
    ],
)
def test_it_refuses_markdown_that_takes_the_square_of_its_length(body):
    said = []
    assert calls_of(lambda: said.append(compiles_or_refuses(body))) <= MOST_CALLS
    assert said == ["Line 1 of the body: too much: brackets, stars, lists or tables."] or (
        said == ["Line 2 of the body: too much: brackets, stars, lists or tables."]
    )


@settings(max_examples=20)
@given(
    unit=st.text(alphabet="![]()<>*_`~|-+#\\\n\"'=.:& a1", min_size=1, max_size=6),
    start=st.sampled_from(["", "[a]: b\n\n", "|a|b|\n|-|-|\n", "> ", "- ", "*", "[", "`"]),
)
def test_it_costs_no_more_than_the_bound_when_anything_repeats(unit, start):
    body = start + unit * (REPEATED // len(unit))
    assert calls_of(lambda: compiles_or_refuses(body)) <= MOST_CALLS


def test_it_says_in_which_line_it_gave_up():
    body = f"Hello\n\n{{% if contact.city %}}\n\nYes\n\n{{% endif %}}\n\n{'![' * 20_000}"
    with pytest.raises(content.TooLarge) as refused:
        compiled(body)
    assert refused.value.line == 9


@pytest.mark.parametrize("markup", ["markdown", "mjml"])
def test_it_takes_a_newsletter_with_two_hundred_images(markup):
    address = f"https://news.example/i/{'0' * 64}/600.jpg"
    if markup == "markdown":
        story = "## A title\n\nWords, *stressed* and **strong**, with a [link](https://a.example/{0}).\n\n"
        each = (
            story + f"![What it shows]({address})\n\n- one\n- two [more](https://a.example/x)\n\n"
        )
    else:
        each = (
            f"<mj-section><mj-column><mj-image src='{address}' alt='What it shows' />"
            "<mj-text>Words with a <a href='https://a.example/'>link</a></mj-text></mj-column></mj-section>\n"
        )
    made = compiled(each * 200, markup=markup)
    assert made.html.join([""] * len(made.html.holes)).count("What it shows") == 200


def test_it_takes_two_hundred_images_in_one_paragraph():
    images = f"![What it shows](https://news.example/i/{'0' * 64}/600.jpg) " * 200
    assert compiles_or_refuses(images) == ""


def test_it_refuses_an_address_that_references_repeat_without_end():
    body = f"[a]: https://a.example/{'x' * 10_000}\n\n" + "[a] " * 10_000
    with pytest.raises(content.TooLarge, match="characters, 300000 at most"):
        compiled(body)


def test_it_refuses_markup_that_becomes_far_longer_than_it_is():
    with pytest.raises(content.TooLarge, match="characters, 600000 at most"):
        compiled("<mj-section></mj-section>" * 5_000, markup="mjml")


@pytest.mark.parametrize("words", ["[" * LENGTH, "[](" * (LENGTH // 3), "<a " * (LENGTH // 3)])
def test_it_looks_for_slips_in_time_when_nothing_closes(words):
    began = time.process_time()
    list(in_words(words, is_markdown=True))
    assert time.process_time() - began < PATTERN_SECONDS


def test_it_looks_for_what_hides_the_footer_in_time_when_no_rule_opens():
    began = time.process_time()
    seen = Reading(f"<style>{'.footer' * (LENGTH // 7)}</style><p class=footer>Lyon</p>")
    assert not list(checks._on_footer(seen.styles))
    assert time.process_time() - began < PATTERN_SECONDS


@pytest.mark.django_db
def test_it_says_it_in_one_sentence_at_every_door(client):
    make.organization()
    campaign = make.campaign(make.topic())
    client.force_login(make.staff())
    body = "![" * 60_000
    written = {"language": "en", "layout": "letter", "markup": "markdown", "subject": "News"}
    live = reverse("admin:campaigns_campaign_live", args=[campaign.pk])
    assert (
        "too much" in client.post(live, written | {"body": body, "preheader": ""}).json()["problem"]
    )
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert client.post(page, form_of(campaign, **{"contents-0-body": body})).status_code == 302
    for name in ("change", "preview", "schedule"):
        shown = reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])
        assert "too much" in client.get(shown, follow=True).content.decode(), name
    test = reverse("admin:campaigns_campaign_test", args=[campaign.pk])
    sent = client.post(test, {"language": "en", "email": "ada@lumen.example"}, follow=True)
    assert "too much" in sent.content.decode()
