"""MJML: what is wrong is said with its line; what could run, fetch or end the process is refused."""

import re

import pytest
from django.utils import translation

from campaigns import content
from tests.campaigns.letters import LINKS, compiled

LETTER = "<mj-section><mj-column><mj-text>{}</mj-text></mj-column></mj-section>"


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("\n<mj-section>\n<mj-column>\n</mj-section>", 4, "opened in line 3"),
        ("<mj-section>\n<mj-column></mj-column>", 1, "<mj-section> is never closed"),
        ("<mj-section>\n<mj-colum></mj-colum></mj-section>", 2, "no element <mj-colum>"),
        ("\n\n</mj-section>", 3, "closes nothing"),
        ("\n<mj-section padding=1px></mj-section>", 2, "is no tag"),
        ("<mj-section>\n<!-- left open </mj-section>", 2, "is no tag"),
        ("<mjml><mj-head><mj-title>\n<b>x</b></mj-title></mj-head></mjml>", 2, "holds words only"),
        (LETTER.format("{% if\ncontact.city %}\nx{% endif %}\n<b>"), 4, "where </b> is due"),
    ],
)
def test_it_says_in_one_sentence_what_is_wrong_and_where(body, line, words):
    with pytest.raises(content.BrokenSyntax) as caught:
        compiled(body, markup="mjml")
    assert caught.value.line == line
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "<mj-raw><!--><script>alert(1)</script>--></mj-raw>",
        "<mj-raw><!-- a --!><img src='x' onerror='y' />--></mj-raw>",
        '<mj-raw><title><a b="</title><script>x</script>"></a></title></mj-raw>',
        LETTER.format('<noscript><a title="</noscript><img src=x onerror=y>">a</a></noscript>'),
        LETTER.format("<a href='java\nscript:x'>y</a>"),
        LETTER.format("<a href='&#106;avascript:x'>y</a>"),
        LETTER.format("<a href='file:///etc/passwd'>y</a>"),
        LETTER.format("<svg><a xlink:href='javascript:x'>y</a></svg>"),
        LETTER.format("<p onclick='x'>y</p>"),
        "<mj-section><mj-column><mj-button href='javascript:x'>y</mj-button></mj-column></mj-section>",
        "<mj-hero background-url='javascript:x'></mj-hero>",
        "<mj-include path='/etc/passwd' />",
        "<mj-include path='http://127.0.0.1/' type='html' />",
        "<mj-raw><meta http-equiv='refresh' content='0;url=https://a.example/' /></mj-raw>",
        "<mj-raw><form action='https://a.example/'></form></mj-raw>",
        "<mj-raw><![CDATA[<script>x</script>]]></mj-raw>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><mjml><mj-body></mj-body></mjml>",
    ],
)
def test_it_refuses_what_could_run_or_reach_out(body):
    with pytest.raises(content.ContentError):
        compiled(body, markup="mjml")


@pytest.mark.parametrize(
    ("inside", "name"),
    [
        ("<mj-accordion></mj-accordion>", "<mj-accordion>"),
        ("<mj-carousel></mj-carousel>", "<mj-carousel>"),
        ("<mj-navbar hamburger='hamburger'></mj-navbar>", "hamburger"),
        ("""<mj-image src='https://a.example/' alt='" onload="x' />""", "onload"),
    ],
)
def test_it_names_what_was_written_and_its_line(inside, name):
    with pytest.raises(content.UnsafeMarkup) as caught:
        compiled(f"<mj-section>\n<mj-column>\n{inside}</mj-column></mj-section>", markup="mjml")
    assert (caught.value.line, caught.value.name) == (3, name)


@pytest.mark.parametrize("tag", ["mj-section", "mj-wrapper", "div", "b"])
def test_it_refuses_elements_so_deep_that_the_process_would_end(tag):
    with pytest.raises(content.TooLarge):
        compiled(f"<{tag}>" * 6_000 + f"</{tag}>" * 6_000, markup="mjml")


def test_it_takes_what_letters_are_made_of():
    body = LETTER.format("a<br>b &amp; c<!-- note --><img src='https://a.example/x.png' alt='x'>")
    assert "a<br" in compiled(body, markup="mjml").render(LINKS).html


def test_it_fetches_no_web_font_and_names_its_language_and_title():
    html = compiled(LETTER.format("Bonjour"), markup="mjml", language="fr").render(LINKS).html
    assert not re.findall(r"(?:href|src|url\()[\"'=]*https?://fonts", html)
    assert "fonts.googleapis" not in html
    assert 'lang="und"' not in html
    assert html.count('lang="fr" dir="ltr"') == 2
    assert "<title>News</title>" in html


def test_it_leaves_the_colors_of_mjml_alone_in_dark_mode():
    html = compiled(LETTER.format("x"), markup="mjml").render(LINKS).html
    assert '<meta name="color-scheme" content="light">' in html
    assert "prefers-color-scheme" not in html


def test_it_says_it_in_french():
    with translation.override("fr"), pytest.raises(content.ContentError) as caught:
        compiled("<mj-section>", markup="mjml")
    with translation.override("fr"):
        assert str(caught.value).startswith("Ligne 1 (corps) illisible")
