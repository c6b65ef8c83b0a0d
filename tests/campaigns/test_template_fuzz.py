"""Whatever a marketer writes, the doors answer: no failure, no foreign value, no bomb, nothing that runs.

`FUZZ_EXAMPLES=20000` looks longer.
"""

import html
import os
import re
import time
from contextlib import suppress

import nh3
import pytest
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import content
from campaigns.models import CampaignContent
from tests import make
from tests.campaigns.letters import FIELDS, IDENTITY, LINKS
from tests.campaigns.test_approval import form_of

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
CANARY = "canary7391"
EVIL = "\"'><script>alert(1)</script>javascript:x{{ contact.secret }}\u202e\r\n"
SECONDS = 5

_names = st.sampled_from(
    """contact.city contact.first_name first_name contact.secret secret contact contact.__class__
    contact.city.size contact['city'] contact[first_name] forloop forloop.index settings request now
    unsubscribe_url i 'x' "now" 1 99999999999999999999 1e999 -1 (1..9) (1..999999999) nil true
    contact.interests""".split()
)
_filters = st.sampled_from(
    """append:contact.city default:'x' default date:'%Y' date:'%999999999d' date:contact.city
    truncate:999999999999 truncate:-1 slice:-99999999999,99999999999 round:999999999 times:1e308
    times:99999999999 divided_by:0 modulo:0 floor ceil abs url_encode join:',' first last size
    capitalize upcase map:'x' where:'a','b' safe base64_encode replace:'a','b' split:'' sort plus:'x'
    truncatewords:999999999 round:1,2,3""".split()
)
_outputs = st.builds(
    lambda name, filters: "{{ " + " | ".join([name, *filters]) + " }}",
    _names,
    st.lists(_filters, max_size=3),
)
_tags = st.one_of(
    st.sampled_from(
        [
            "{% raw %}", "{% endraw %}", "{% include 'x' %}", "{% render 'x' %}", "{% break %}",
            "{% endif %}", "{% else %}", "{% endfor %}", "{% assign a = contact %}", "{% continue %}",
            "{% comment %}", "{% endcomment %}", "{%", "{{", "%}", "}}", "{{{", "{% liquid echo 1 %}",
            "{% cycle 'a' %}", "{% tablerow i in (1..9) %}", "{% increment a %}", "{% layout 'x' %}",
        ]
    ),
    _names.map(lambda name: f"{{% if {name} %}}"),
    _names.map(lambda name: f"{{% for i in {name} %}}"),
    _names.map(lambda name: f"{{% case {name} %}}{{% when 'x' %}}"),
)  # fmt: skip
_places = st.sampled_from(
    [
        "%s", "[a](%s)", "[a](https://a.example/%s)", "![%s](https://a.example/x.png)", "<a href='%s'>x</a>",
        "<a href=\"javascript:%s\">x</a>", "<p style='color:%s'>x</p>", "<p title=%s>x</p>", "<%s>", "`%s`",
        "<img src='data:text/html,%s'>", "<script>%s</script>", "<!-- %s -->", "<!--><script>%s</script>-->",
        "# %s", "- %s", "| a | %s |\n|---|---|\n| %s | b |", "**[%s](https://a.example)**",
        "&#106;avascript:%s",
        "<mj-section><mj-column><mj-text>%s</mj-text></mj-column></mj-section>", "<mj-raw>%s</mj-raw>",
        "<mj-button href='%s'>x</mj-button>", "<mj-section>", "</mj-section>", "<mj-include path='%s' />",
        "<mj-text>%s", "<mjml><mj-head><mj-style>%s</mj-style></mj-head><mj-body></mj-body></mjml>",
        "<mj-image src='https://a.example/%s' alt='%s' />", "<svg onload='%s'>", "<style>%s</style>",
        "<mj-title>%s</mj-title>", "{%% if contact.city %%}%s{%% endif %%}",
        "{%% for i in (1..9) %%}%s{%% endfor %%}",
        "{%% for i in (1..40) %%}{%% for i in (1..40) %%}%s{%% endfor %%}{%% endfor %%}",
    ]
)  # fmt: skip
_words = st.one_of(
    _outputs, _tags, st.text(max_size=12), st.sampled_from(["\n", "\n\n", "\x00", "\u202e", "é😀"])
)
_pieces = st.builds(
    lambda place, word: place.replace("%s", word).replace("%%", "%"), _places, _words
)
_bodies = st.lists(_pieces | _words, min_size=1, max_size=8).map("".join)
_markups = st.sampled_from(["markdown", "mjml"])
fuzzed = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
through_doors = settings(fuzzed, max_examples=max(10, EXAMPLES // 4))
_EXECUTES = re.compile(r"<(?:script|iframe|object|embed|form|svg|base)\b", re.IGNORECASE)


def runs(document):
    """Whether a browser would find a script, a form, an event or a running scheme in it."""
    seen = []

    def see(tag, name, value):
        seen.append((name, re.sub(r"[\x00-\x20]", "", value).lower()))
        return value

    tags = {name.lower() for name in re.findall(r"<([a-zA-Z][^\s/>]*)", document)} - {
        "meta",
        "link",
    }
    read = nh3.clean(
        document,
        tags=tags,
        clean_content_tags=set(),
        attributes={tag: {"href", "src"} for tag in tags},
        generic_attribute_prefixes={"on"},
        attribute_filter=see,
        url_schemes={"http", "https", "mailto", "tel", "javascript", "data", "vbscript"},
        link_rel=None,
    )
    bad = ("javascript:", "vbscript:", "data:")
    return bool(_EXECUTES.search(read)) or any(
        name.startswith("on") or value.startswith(bad) for name, value in seen
    )


@fuzzed
@given(body=_bodies, subject=_words, preheader=_words, markup=_markups)
def test_it_compiles_and_renders_or_refuses_in_time(body, subject, preheader, markup):
    began = time.process_time()
    with suppress(content.ContentError):
        made = content.compile_source(
            content.Source(subject=subject, body=body, preheader=preheader, markup=markup),
            identity=IDENTITY,
            fields=FIELDS,
        )
        for value in ("Lyon", EVIL):
            values = {"city": value, "first_name": value, "interests": [value] * 3}
            rendered = made.render({**values, "secret": CANARY, **LINKS})
            assert CANARY not in "".join(rendered)
            assert not runs(rendered.html)
            assert len(rendered.html) + len(rendered.text) < 5_000_000
            assert len(rendered.subject.splitlines()) <= 1
            assert " object at 0x" not in "".join(rendered)
    assert time.process_time() - began < SECONDS


@pytest.fixture
def campaign():
    make.organization()
    make.field("city")
    return make.campaign(make.topic())


@pytest.fixture
def ada(campaign):
    made = make.contact(f"{CANARY}@example.org", first_name=CANARY, attributes={"city": "Lyon"})
    made.attributes["secret"] = CANARY
    made.save(update_fields=["attributes"])
    return made


@pytest.fixture
def marketer(client):
    codes = ("view_campaign", "change_campaign", "send_campaign")
    names = ("contacts.view_contact", *(f"campaigns.{code}" for code in codes))
    client.force_login(make.permit(make.staff("nora", superuser=False), *names))
    return client


@through_doors
@given(body=_bodies, subject=_words, markup=_markups, channel=st.sampled_from(["email", "sms"]))
def test_it_previews_whatever_is_written(marketer, campaign, ada, body, subject, markup, channel):
    written = {"language": "en", "layout": "letter", "markup": markup, "preheader": subject}
    answer = marketer.post(
        reverse("admin:campaigns_campaign_live", args=[campaign.pk]),
        {**written, "subject": subject, "body": body, "channel": channel, "person": ada.subject},
    )
    assert answer.status_code == 200
    seen = answer.json()
    assert seen.get("problem") or seen["html"]
    if CANARY not in body + subject:
        assert CANARY not in html.unescape(answer.content.decode())
    assert channel == "sms" or not runs(seen.get("html", ""))


@through_doors
@given(body=_bodies, subject=_words, markup=_markups)
def test_it_saves_or_says_why_not_and_shows_the_page_again(
    marketer, campaign, body, subject, markup
):
    parts = {"contents-0-body": body, "contents-0-subject": subject, "contents-0-markup": markup}
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert marketer.post(page, form_of(campaign, **parts)).status_code in {200, 302}
    CampaignContent.objects.filter(campaign=campaign).update(
        body=body.replace("\x00", "") or "x", markup=markup
    )
    for name in ("change", "preview", "schedule"):
        shown = reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])
        assert marketer.get(shown).status_code == 200
