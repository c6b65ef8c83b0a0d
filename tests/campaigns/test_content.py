"""Content is checked at save, compiled once, and never says more than it may."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import content
from campaigns.content import clean
from tests.campaigns.letters import FIELDS, IDENTITY, LINKS, compiled

MJML = (
    "<mj-section><mj-column><mj-text>Hi {{ contact.first_name }} in {{ contact.city }}</mj-text>"
    '<mj-button href="https://acme.example/?c={{ contact.city }}">Go</mj-button>'
    "</mj-column></mj-section>"
)


def test_it_fills_holes_when_rendered():
    made = compiled("Hi {{ contact.first_name }}, {{ contact.city | default: 'there' }}.")
    rendered = made.render({"first_name": "Ada", **LINKS})
    assert "Hi Ada, there." in rendered.html
    assert "Hi Ada, there." in rendered.text
    assert made.fields == {"first_name", "city"}


@pytest.mark.parametrize(
    ("body", "error", "line", "name"),
    [
        ("a\n{{ contact.salary }}", content.UnknownName, 2, "contact.salary"),
        ("{{ salary }}", content.UnknownName, 1, "salary"),
        ("{{ contact }}", content.UnknownName, 1, "contact"),
        ("{{ contact.city.size }}", content.UnknownName, 1, "contact.city.size"),
        ("{{ contact[first_name] }}", content.UnknownName, 1, "contact[first_name]"),
        ("{{ contact.__class__ }}", content.UnknownName, 1, "contact.__class__"),
        ("{{ now }}", content.UnknownName, 1, "now"),
        ("{{ 'a' | append: secret }}", content.UnknownName, 1, "secret"),
        ("{% if secret %}a{% endif %}", content.UnknownName, 1, "secret"),
        ("\n\n{% include 'x' %}", content.UnknownTag, 3, "include"),
        ("{% render 'x' %}", content.UnknownTag, 1, "render"),
        ("{% assign a = contact %}", content.UnknownTag, 1, "assign"),
        ("{% raw %}x{% endraw %}", content.UnknownTag, 1, "raw"),
        ("{{ contact.city | map: 'x' }}", content.UnknownFilter, 1, "map"),
        ("{{ contact.city | safe }}", content.UnknownFilter, 1, "safe"),
        ("a\nb {{ contact.city", content.BrokenSyntax, 2, "“{{” is never closed"),
        ("{% if contact.city %}", content.BrokenSyntax, 1, "“{% endif %}” is missing"),
        ("a\n{% endif %}", content.BrokenSyntax, 2, "“endif” belongs to nothing that is open"),
        ("{{ (1..999999999) | join: ',' }}", content.TooLarge, 1, None),
        ("{{ (1..9) | join: '' }}", content.TooLarge, 1, None),
        ("a\n{% for i in (1..999999999) reversed %}{% endfor %}", content.TooLarge, 2, None),
        ("{% for i in (1..contact.city) reversed %}{% endfor %}", content.TooLarge, 1, None),
        ("{{ '\\' | append: (1..999999999) | join: '' }}", content.TooLarge, 1, None),
        ("{% break %}", content.ContentError, 1, "“break” stands in no loop"),
        ("{{ contact.city | }}", content.BrokenSyntax, 1, "something is missing in it"),
        ("{{ 1 | divided_by: 0 }}", content.ContentError, 1, None),
        ("{% for i in (1..100000) %}{% endfor %}", content.ContentError, 1, None),
        (
            "{% for i in (1..40) %}{% for j in (1..40) %}x{% endfor %}{% endfor %}",
            content.ContentError,
            1,
            None,
        ),
        ("[go]({{ contact.city }})", content.UnsafeMarkup, 1, "{{ contact.city }}"),
        ("[go]({{ 'javascript:' }}alert)", content.UnsafeMarkup, 1, None),
        ("x {% if contact.city %}y\n\nz{% endif %}", content.CrossedBlocks, 1, None),
        ("x" * 150_001, content.TooLarge, 1, None),
        ("{{ contact.city }}" * 2_001, content.TooLarge, 1, None),
        ("{{" + " " * 2_000 + "}}", content.TooLarge, 1, None),
    ],
)
def test_it_says_what_and_where_when_content_is_refused(body, error, line, name):
    with pytest.raises(content.ContentError) as caught:
        compiled(body)
    assert isinstance(caught.value, error)
    assert caught.value.line == line
    assert name is None or str(caught.value.name) == name
    assert str(caught.value)


def test_it_names_the_part_when_the_subject_is_refused():
    with pytest.raises(content.UnknownName) as caught:
        compiled(subject="Hi {{ contact.salary }}")
    assert "subject" in str(caught.value)
    assert "contact.salary" in str(caught.value)


def test_it_escapes_values_in_html_only():
    made = compiled("Hi {{ first_name }}", subject="For {{ first_name }}")
    rendered = made.render({"first_name": '<b onclick="x">&', **LINKS})
    assert "Hi &lt;b onclick=&quot;x&quot;&gt;&amp;" in rendered.html
    assert 'Hi <b onclick="x">&' in rendered.text
    assert rendered.subject == 'For <b onclick="x">&'


def test_it_escapes_what_the_marketer_prints_through_liquid():
    rendered = compiled("{{ '<script>x</script>' | append: '<i>' }}").render(LINKS)
    assert "<script" not in rendered.html
    assert "&lt;script&gt;" in rendered.html


def test_it_drops_raw_html_when_markup_is_markdown():
    rendered = compiled('<script>x</script> <b onload="y">b</b> [z](javascript:x)').render(LINKS)
    assert "<script" not in rendered.html
    assert "<b onload" not in rendered.html
    assert 'href="javascript' not in rendered.html


@pytest.mark.parametrize(
    "body",
    [
        "<script>x</script>",
        '<p onclick="x">y</p>',
        "<a href=' javascript:x'>y</a>",
        "<form><input></form>",
        "<p style='color:{{ contact.city }}'>x</p>",
        "<p title={{ contact.city }}>x</p>",
        "<{{ contact.city }}>",
        "<style>.a { color: {{ contact.city }} }</style>",
    ],
)
def test_it_refuses_html_that_could_run_or_break_out(body):
    with pytest.raises(content.UnsafeMarkup):
        compiled(body, markup="html")


def test_it_lays_out_mjml_with_holes_and_footer():
    rendered = compiled(MJML, markup="mjml").render(
        {"first_name": "A&B", "city": "Le Puy", **LINKS}
    )
    assert "Hi A&amp;B in Le Puy" in rendered.html.replace("\n", " ")
    assert '<html lang="en" dir="ltr"' in rendered.html
    assert "https://acme.example/?c=Le%20Puy" in rendered.html
    assert "69001 Lyon" in rendered.html
    assert "Go (https://acme.example/?c=Le%20Puy)" in rendered.text.replace("\n", " ")


def test_it_takes_conditions_around_sections_and_links():
    body = "{% if contact.city %}" + MJML + "{% endif %}"
    made = compiled(body, markup="mjml")
    assert "Hi Ada" in made.render({"first_name": "Ada", "city": "Lyon", **LINKS}).text
    assert "Hi" not in made.render(LINKS).text
    url = "https://a.example/{{ contact.city }}/{% if contact.city %}b{% endif %}"
    link = "{% if contact.city %}[a](" + url + "){% endif %}"
    made = compiled(link)
    assert "https://a.example/Lyon/b" in made.render({"city": "Lyon", **LINKS}).html
    assert "a.example" not in made.render(LINKS).html


@pytest.mark.parametrize(
    ("markup", "body"),
    [
        ("mjml", MJML.replace("<mj-text>", "<mj-text>{% if contact.city %}") + "{% endif %}"),
        ("markdown", "[r]: https://a.example/{% if contact.city %}\n\nx{% endif %}"),
        ("html", '<p title="{% if contact.city %}">x</p><p title="{% endif %}">y</p>'),
        ("html", "<p><!-- {% if contact.city %} -->x{% endif %}</p>"),
    ],
)
def test_it_refuses_conditions_that_the_markup_would_lose_or_tear(markup, body):
    with pytest.raises(content.CrossedBlocks):
        compiled(body, markup=markup)


def test_it_refuses_mjml_that_cannot_be_read():
    with pytest.raises(content.BrokenSyntax):
        compiled("<mj-section><mj-column>", markup="mjml")


def test_it_percent_encodes_values_in_links():
    rendered = compiled("[a](https://acme.example/?c={{ contact.city }})").render(
        {"city": 'Lyon & "co"', **LINKS}
    )
    assert 'href="https://acme.example/?c=Lyon%20%26%20%22co%22"' in rendered.html
    assert "https://acme.example/?c=Lyon%20%26%20%22co%22" in rendered.text


@pytest.mark.parametrize("layout", ["newsletter", "announcement", "digest", "letter"])
@pytest.mark.parametrize("markup", ["markdown", "html", "mjml"])
def test_it_carries_identity_and_links_in_every_layout(layout, markup):
    body = MJML if markup == "mjml" else "Hello"
    made = compiled(body, layout=layout, markup=markup, preheader="Peek {{ contact.city }}")
    rendered = made.render({"city": "Lyon", **LINKS})
    for part in (rendered.html, rendered.text):
        for words in ("Acmé SA", "1 rue Haute", "69001 Lyon", "Product news"):
            assert words in part.replace("\n", " ")
    for url in LINKS.values():
        assert url in rendered.text
        assert f'href="{url.replace("&", "&amp;")}"' in rendered.html
    assert "Peek Lyon" in rendered.html.replace("\n", " ")
    assert "Peek" not in rendered.text
    assert ("prefers-color-scheme: dark" in rendered.html) == (markup != "mjml")
    assert "max-width:600px" in rendered.html


def test_it_prints_braces_of_the_organization_as_they_are():
    identity = content.PostalIdentity("{{ contact.city }} {% if", "x {{{")
    made = content.compile_source(
        content.Source(subject="s", body="b {{ contact.city }}"), identity=identity, fields=FIELDS
    )
    rendered = made.render({"city": "Lyon", **LINKS})
    assert "{{ contact.city }} {% if" in rendered.text
    assert "x {{{" in rendered.html


def test_it_keeps_whole_paragraphs_when_a_condition_wraps_them():
    made = compiled("one\n{% if contact.city == 'Lyon' %}\n## Lyon\n\n- a\n{% endif %}\ntwo")
    inside = made.render({"city": "Lyon", **LINKS})
    outside = made.render({"city": "Nice", **LINKS})
    assert "Lyon</h2>" in inside.html
    assert "Lyon\n----\n\n- a\n" in inside.text
    assert "Lyon</h2>" not in outside.html
    assert inside.html.count("<p") == outside.html.count("<p")


def test_it_writes_a_readable_text_part():
    body = (
        "# Title\n\nSee [our shop](https://acme.example/).\n\n- one\n- two\n  - deep\n\n1. x\n2. y\n\n"
        "> quoted\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![a map](https://acme.example/m.png)\n\n"
        "```\ncode  here\n```\n"
    )
    text = compiled(body).render(LINKS).text
    for words in (
        "Title\n=====\n",
        "See our shop (https://acme.example/).",
        "- one\n- two\n  - deep\n",
        "1. x\n2. y\n",
        "> quoted\n",
        "a | b",
        "1 | 2",
        "a map",
        "code  here",
    ):
        assert words in text


def test_it_keeps_one_clean_line_in_the_subject():
    made = compiled(subject="Hi {{ first_name }}")
    rendered = made.render({"first_name": "A\r\nBcc: x@y\u202e=?utf-8?q?z?=", **LINKS})
    assert rendered.subject == "Hi A Bcc: x@y = ?utf-8?q?z?="


def test_it_takes_two_points_in_words_and_a_small_range_in_a_loop():
    made = compiled(
        "{{ contact.city | default: 'and so on..' }} {% for i in (1..3) %}{{ i }}{% endfor %}"
    )
    assert "and so on.. 123" in made.render(LINKS).text


def test_it_reads_lists_and_loops():
    made = compiled(
        "{% for i in contact.interests %}{{ i }}{% unless forloop.last %}, {% endunless %}{% endfor %}"
    )
    assert "jazz, tea" in made.render({"interests": ["jazz", "tea"], **LINKS}).text
    assert made.fields == {"interests"}


def test_it_fails_for_one_person_when_their_values_pass_the_limits():
    made = compiled("{% for i in contact.interests %}{{ i }}{% endfor %}")
    with pytest.raises(content.RenderingFailed):
        made.render({"interests": ["x"] * 501, **LINKS})


def test_it_prints_the_same_through_the_short_way_and_through_liquid():
    made = compiled(
        "[{{ contact.city | default: 'x' }}] [{{ contact.city | strip | default: 'x' }}]"
        " [{{ contact.city }}] [{{ contact.city | append: '' }}]"
    )
    for value in ("Lyon", "", None, 0, 7):
        words = made.render({"city": value, **LINKS}).text.split("\n")[0].split()
        assert words[0] == words[1].replace("[x]", words[0])
        assert words[2] == words[3]
    for value in ("", None, False):
        assert made.render({"city": value, **LINKS}).text.startswith("[x] ")


SECRET = "canary7391"
_words = st.sampled_from(
    """{{ }} {% %} contact contact. .first_name first_name . [ ] ( ) | : , ' " if endif else for in
    endfor unless default append date truncate capture assign include raw endraw comment endcomment
    forloop forloop.index secret contact.secret __class__ == > 1 99999999999 (1..9) %} {{{ }}} - _ *
    [a]( ) ![ ] # > | \n \n\n <a href= <script> ` ``` & \u202e \x00 é""".split(" ")
)


@pytest.mark.parametrize(
    "body", ["x" * 100_000, "{% if contact.city %}a{% endif %}" * 900, "=" * 100_000]
)
def test_it_takes_no_longer_than_its_length_asks(body):
    """Once a minute and more of a worker: a search that began again at every letter."""
    began = time.process_time()
    compiled(body)
    assert time.process_time() - began < 10


@given(body=st.lists(_words, max_size=25).map(" ".join) | st.text(max_size=80))
def test_it_never_fails_otherwise_and_never_prints_unregistered_values(body):
    try:
        made = content.compile_source(
            content.Source(subject="s", body=body), identity=IDENTITY, fields={"first_name"}
        )
        rendered = made.render({"first_name": "Ada", "secret": SECRET, **LINKS})
    except content.ContentError:
        return
    assert SECRET not in "".join(rendered)
    assert "<script" not in rendered.html


@given(text=st.text())
def test_it_keeps_headers_on_one_line(text):
    cleaned = clean.header(text)
    assert cleaned == clean.header(cleaned)
    assert len(cleaned.splitlines()) <= 1
    assert "=?" not in cleaned


def test_it_makes_a_button_that_outlook_pads_too():
    rendered = compiled("Look:\n\n**[Read more](https://acme.example/a)**\n\nBye").render(LINKS)
    cell = rendered.html.partition('<td bgcolor="#1a56b0"')[2].partition("</td>")[0]
    assert "mso-padding-alt:12px 24px" in cell
    assert 'class="button"' in cell
    assert "Read\nmore</a>" in cell
    assert "Look:\n\nRead more (https://acme.example/a)\n\nBye\n" in rendered.text


def test_it_leads_where_a_bare_address_leads():
    rendered = compiled(
        "See https://acme.example/a_b_c?x=1&y=2. Or (https://acme.example/wiki/Hat_(head)), `https://no`,"
        " [this](https://acme.example/this), https://acme.example/{{ contact.city }}!"
    ).render({"city": "Le Puy", **LINKS})
    links = re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', rendered.html)[:4]
    assert links == [
        ("https://acme.example/a_b_c?x=1&amp;y=2",) * 2,
        ("https://acme.example/wiki/Hat_(head)",) * 2,
        ("https://acme.example/this", "this"),
        ("https://acme.example/Le%20Puy", "https://acme.example/Le Puy"),
    ]
    assert rendered.text.startswith("See https://acme.example/a_b_c?x=1&y=2. Or\n(https://acme")


TABLE = """| Day | Place | What |
|---|:-:|--:|
| Tuesday | Library | Read {word} |
"""


def cells(body):
    """The style of each cell of the first row below the head."""
    html = compiled(body).render(LINKS).html
    return re.findall(r'<td style="(min-width[^"]*)"', html)


def test_it_aligns_columns_as_they_are_written():
    day, place, what = cells(TABLE.format(word="aloud"))
    assert "text-align" not in day
    assert "text-align:center" in place
    assert "text-align:right" in what


def test_it_breaks_words_in_the_longest_column_alone_and_only_where_it_must():
    whole = ["overflow-wrap:normal" in cell for cell in cells(TABLE.format(word="x" * 40))]
    assert whole == [True, True, False]
    assert all("overflow-wrap:normal" in cell for cell in cells(TABLE.format(word="aloud")))
    narrow = cells("| a | b |\n|---|---|\n" + f"| {'x' * 20} | {'y' * 20} |")
    assert not all("overflow-wrap:normal" in cell for cell in narrow)


def test_it_turns_its_sides_where_one_reads_from_the_right():
    body = "- كتب\n\n> كتب\n\n| كتب |\n|---|\n| كتب |"
    there = compiled(body, language="ar").render(LINKS).html
    here = compiled(body).render(LINKS).html
    for html, start in ((there, "right"), (here, "left")):
        assert f"border-{start}:3px" in html
        assert f"color:#1f2430;text-align:{start}" in html
        assert re.search(rf"<th style=\"[^\"]*text-align:{start}", html)
    assert "padding:0 24px 0 0" in there
    assert "padding:0 0 0 24px" in here


@pytest.mark.parametrize(
    ("markup", "body"),
    [
        ("markdown", "![x](https://track.example/{{ contact.city }}.gif)"),
        ("markdown", "![x](https://track.example/{% if contact.city %}a{% endif %}.gif)"),
        ("mjml", '<mj-image src="https://track.example/?who={{ first_name }}" />'),
        (
            "mjml",
            '<mj-raw><td background="https://track.example/{{ contact.city }}">x</td></mj-raw>',
        ),
    ],
)
def test_it_lets_no_image_tell_who_opens_the_message(markup, body):
    if markup == "mjml":
        body = f"<mj-section><mj-column>{body}</mj-column></mj-section>"
    with pytest.raises(content.TellingImage) as caught:
        compiled(body, markup=markup)
    assert "would tell its server who opens" in str(caught.value)


def test_it_wraps_a_condition_around_a_button():
    body = "{% if contact.city %}\n**[Go](https://acme.example/a)**\n{% endif %}"
    assert "bgcolor" in compiled(body).render({"city": "Lyon", **LINKS}).html
    assert "bgcolor" not in compiled(body).render(LINKS).html
