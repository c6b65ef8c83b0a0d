"""The list before scheduling: each check fires on its fault, and passes what is almost one."""

from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from campaigns import services
from campaigns.models import CampaignContent
from consent.models import Organization, Topic
from tests import make

pytestmark = pytest.mark.django_db
IMAGE = f"http://localhost:8000/i/{'a' * 64}/300.jpg"
NO_HOST = (
    '<mj-section><mj-column><mj-text><a href="https://[your-site]/">go</a></mj-text>'
    "</mj-column></mj-section>"
)
MJML = f'<mj-section><mj-column><mj-image src="{IMAGE}" /></mj-column></mj-section>'

STYLE = (
    "<mjml><mj-head><mj-style>%s</mj-style></mj-head><mj-body><mj-section><mj-column><mj-text>x"
    "</mj-text></mj-column></mj-section></mj-body></mjml>"
)
BACKGROUND = (
    "<mj-section background-url='%s'><mj-column><mj-text>x</mj-text></mj-column></mj-section>"
)


@pytest.fixture
def campaign(settings):
    settings.PUBLIC_URL = "http://localhost:8000"
    make.organization()
    make.field("city")
    campaign = make.campaign(make.topic())
    campaign.contents.update(preheader="Twelve new books")
    return campaign


def warned(campaign):
    """What is to be looked at or mended, as one text."""
    findings = services.check_content(campaign=campaign)
    return "\n".join(finding.message for finding in findings if not finding.is_passed)


def stopped(campaign):
    return [
        finding.message for finding in services.check_content(campaign=campaign) if finding.is_error
    ]


def test_it_passes_a_sound_campaign(campaign):
    assert warned(campaign) == ""
    passed = services.check_content(campaign=campaign)
    assert len(passed) >= 6
    assert all(finding.is_passed for finding in passed)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"body": "In {{ contact.city }}"}, "“city” has no fallback"),
        ({"body": "In {{ contact.city | upcase }}"}, "“city” has no fallback"),
        ({"subject": "For {{ contact.first_name }}"}, "“first_name” has no fallback"),
        ({"subject": "x" * 61}, "61 characters"),
        ({"preheader": ""}, "Without a preview line"),
        ({"preheader": "x" * 121}, "preview line has 121"),
        ({"body": "[go](/new)"}, "leads nowhere"),
        ({"body": "[go](#)"}, "leads nowhere"),
        ({"markup": "mjml", "body": NO_HOST}, "leads nowhere"),
        ({"body": "[go](https://example.com/new)"}, "looks like a stand-in"),
        ({"body": "[go](https://www.example.org/)"}, "looks like a stand-in"),
        ({"body": "[go](https://localhost/new)"}, "looks like a stand-in"),
        ({"body": "[go](http://lumen.example/)"}, "not encrypted"),
        ({"body": "[](https://lumen.example/)"}, "has no words"),
        ({"body": f"[![]({IMAGE})](https://lumen.example/)"}, "has no words"),
        ({"body": f"![]({IMAGE})"}, "has no alternative text"),
        ({"body": f"![ ]({IMAGE})"}, "has no alternative text"),
        ({"markup": "mjml", "body": MJML}, "has no alternative text"),
        ({"body": "![Books](https://cdn.lumen.example/books.jpg)"}, "learns who opens"),
        ({"body": "A long line of words. " * 6_000}, "Gmail hides the end"),
        ({"body": "{% if contact.city %}[go](http://lumen.example/){% endif %}"}, "not encrypted"),
        ({"body": f"{{% unless contact.city %}}![]({IMAGE}){{% endunless %}}"}, "no alternative"),
        ({"body": "{% if contact.city %}Hi {{ first_name }}{% endif %}"}, "“first_name” has no"),
        ({"body": "[go](https://lumen/)"}, "leads nowhere"),
        ({"body": "[go](https://https://lumen.example/)"}, "leads nowhere"),
        ({"body": "[write](mailto:lumen)"}, "leads nowhere"),
        ({"body": "[https://lumen.example](https://else.example/)"}, "take that for fraud"),
        ({"body": "[www.lumen.example/new](https://else.example/)"}, "take that for fraud"),
        ({"body": "Dear *|FNAME|*"}, "“|FNAME|” is shown as it stands"),
        ({"subject": "For {first_name}"}, "“{first_name}” is shown as it stands"),
        ({"preheader": "In %%CITY%%"}, "“%%CITY%%” is shown as it stands"),
        ({"body": "Lorem ipsum dolor"}, "stand-in"),
        ({"body": "[go](https://lumen.example/a b)"}, "without spaces"),
        ({"body": "<b>Now</b>"}, "“<b>” is shown as it stands"),
        ({"markup": "mjml", "body": STYLE % "@import url(https://x.example/a.css);"}, "A style loads"),
        ({"markup": "mjml", "body": BACKGROUND % "https://x.example/a.png"}, "A style loads"),
    ],
)  # fmt: skip
def test_it_warns_of_a_fault_and_schedules_all_the_same(campaign, part, words):
    campaign.contents.update(**part)
    assert words in warned(campaign)
    assert stopped(campaign) == []


@pytest.mark.parametrize(
    "part",
    [
        {"body": "In {{ contact.city | default: 'town' }}"},
        {"body": "In {{ contact.city | default: '' }}"},
        {"body": "{% if contact.city %}In {{ contact.city }}{% endif %}"},
        {"subject": "x" * 60},
        {"body": "[go](https://lumen.example/?a=1&b=2)"},
        {"body": "[write](mailto:hello@lumen.example) or [call](tel:+33123456789)"},
        {"body": f"![Books]({IMAGE})"},
        {"body": f"[![Books]({IMAGE})](https://lumen.example/)"},
        {"body": "[off]({{ unsubscribe_url }})"},
        {"body": "[exemplary](https://examples.company/)"},
        {"body": "[lumen.example](https://www.lumen.example/new)"},
        {"body": "[https://www.lumen.example/new](https://lumen.example/new)"},
        {"body": "[Node.js](https://nodejs.example/)"},
        {"body": "{% for city in contact.city %}{{ city }}{% endfor %}"},
        {"body": "{% if contact.city %}a{% elsif first_name %}{{ first_name }}{% endif %}"},
        {"body": "`{name}` and `<b>` and\n\n    [a](b c)"},
        {"body": "5 < 6, a set {1, 2}, 20 %, [sic] (so)"},
        {"preheader": "{% if contact.city %}" + "x" * 60 + "{% else %}" + "y" * 60 + "{% endif %}"},
        {"markup": "mjml", "body": BACKGROUND % IMAGE},
    ],
)
def test_it_warns_of_nothing_where_there_is_no_fault(campaign, part):
    campaign.contents.update(**part)
    assert warned(campaign) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda campaign: campaign.contents.all().delete(), "says nothing yet"),
        (lambda campaign: campaign.contents.update(body="{{ contact.shoe }}"), "shoe"),
        (lambda _campaign: Organization.objects.all().delete(), "which organization sends"),
        (lambda _campaign: Organization.objects.update(postal_address=" "), "no postal address"),
        (lambda _campaign: Topic.objects.update(status="draft"), "not published"),
        (lambda _campaign: Topic.objects.update(offers_email=False), "not offered on this channel"),
    ],
    ids=["nothing", "unregistered", "organization", "address", "topic", "channel"],
)
def test_it_stops_what_may_not_go_out(campaign, change, words):
    change(campaign)
    campaign = type(campaign).objects.get(pk=campaign.pk)
    assert words in "\n".join(stopped(campaign))
    with pytest.raises(services.NotReady) as refused:
        services.schedule_campaign(campaign=campaign, send_at=make.LONG_AGO, actor_id=None)
    assert words in str(refused.value)


def test_it_says_once_what_is_wrong_with_a_link_that_is_there_twice(campaign):
    campaign.contents.update(body="[go](http://lumen.example/)\n\n[go](http://lumen.example/)")
    assert warned(campaign).count("not encrypted") == 1


def test_it_leads_to_the_organization_where_its_privacy_page_is_a_stand_in(campaign):
    Organization.objects.update(privacy_page="https://example.com/privacy")
    [finding] = [each for each in services.check_content(campaign=campaign) if not each.is_passed]
    assert "looks like a stand-in" in finding.message
    assert finding.place == "organization"


def test_it_weighs_the_form_that_is_measured(campaign):
    links = "".join(f"[a](https://lumen.example/{number})\n\n" for number in range(700))
    campaign.contents.update(body=links)
    assert "Gmail hides the end" not in warned(campaign)
    campaign.is_measured = True
    assert "Gmail hides the end" in warned(campaign)


def test_it_passes_no_subject_as_short_enough_where_there_is_none(campaign):
    campaign.contents.update(subject="")
    said = "\n".join(finding.message for finding in services.check_content(campaign=campaign))
    assert "The subject is missing." in said
    assert "short enough" not in said


def test_it_looks_at_every_language(campaign):
    campaign.contents.create(language="fr", subject="Bonjour", preheader="Ici", body="![](#)")
    assert {finding.language for finding in services.check_content(campaign=campaign)} == {
        "en", "fr",
    }  # fmt: skip


LAYOUTS = Path(settings.BASE_DIR) / "templates/campaigns/layouts"


@pytest.fixture
def own_layouts(settings, tmp_path):
    """An installation with a layout of its own in place of ours; gives a function that changes a file."""
    folder = tmp_path / "campaigns/layouts"
    folder.mkdir(parents=True)

    def change(name: str, part: str, put: str = "") -> None:
        original = (LAYOUTS / name).read_text()
        assert part in original
        (folder / name).write_text(original.replace(part, put))
        [engine] = settings.TEMPLATES
        settings.TEMPLATES = [{**engine, "DIRS": [tmp_path, *engine["DIRS"]]}]

    return change


STOP_HTML = '<a href="{{ unsubscribe_url }}"'
LINES_HTML = "{% for line in address_lines %}{{ line }}<br>\n{% endfor %}"
LINES_TEXT = "{% for line in address_lines %}{{ line }}\n{% endfor %}"


@pytest.mark.parametrize(
    ("name", "part", "put", "sentence"),
    [
        ("_footer.html", STOP_HTML, '<a href="/stop"', "The HTML part shows no unsubscribe link."),
        (
            "_footer.html",
            STOP_HTML,
            f"<!-- {STOP_HTML}",
            "The HTML part shows no unsubscribe link.",
        ),
        ("footer.txt", "{{ unsubscribe_url }}", "", "The text part shows no unsubscribe link."),
        ("_footer.html", LINES_HTML, "", "The HTML part does not show who sends it"),
        ("_footer.html", LINES_HTML, f"<title>{LINES_HTML}</title>", "The HTML part does not show"),
        ("footer.txt", LINES_TEXT, "", "The text part does not show who sends it"),
        ("footer.txt", "{{ identity.legal_name }}", "", "The text part does not show who sends"),
    ],
)
@pytest.mark.parametrize("markup", ["markdown", "mjml"])
def test_it_stops_when_a_part_lost_what_the_law_asks_for(
    campaign, own_layouts, markup, name, part, put, sentence
):
    own_layouts(name, part, put)
    campaign.contents.update(**({"markup": "mjml", "body": MJML} if markup == "mjml" else {}))
    assert any(sentence in each for each in stopped(campaign))
    with pytest.raises(services.NotReady):
        services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)


def test_it_stops_when_nothing_names_who_sends_it(campaign, own_layouts):
    own_layouts("_footer.html", "{{ identity.legal_name }}")
    assert stopped(campaign) == []  # the head of the ready layout names them, too
    campaign.contents.update(markup="mjml", body=MJML)
    assert "The HTML part does not show who sends it" in stopped(campaign)[0]


def test_it_names_the_language_whose_message_lost_its_unsubscribe_link(campaign, own_layouts):
    CampaignContent.objects.create(
        campaign=campaign, language="fr", subject="Nouvelles", body="Bonjour"
    )
    link = "{{ unsubscribe_url }}"
    but = '{%% get_current_language as now %%}{%% if now != "fr" %%}%s{%% endif %%}'
    own_layouts("footer.txt", link, but % link)
    [found] = [each for each in services.check_content(campaign=campaign) if each.is_error]
    assert (found.language, found.message) == ("fr", "The text part shows no unsubscribe link.")


def test_it_passes_a_layout_that_breaks_the_address_elsewhere(campaign, own_layouts):
    own_layouts("footer.txt", LINES_TEXT, "{{ address_lines|join:' ' }}\n")
    assert stopped(campaign) == []


HIDING = (
    "<mjml><mj-head><mj-style>{}</mj-style></mj-head><mj-body><mj-section><mj-column>"
    "<mj-text>News</mj-text></mj-column></mj-section></mj-body></mjml>"
)


UNSEEN = pytest.mark.parametrize(
    "style",
    [
        "display: none", "DISPLAY:NONE !important", "visibility:hidden", "font-size:0", "font-size: 1px",
        "opacity:0", "opacity:0.0", "color:#FFF", "color:white;background:rgb(255, 255, 255)",
        "background-color:#5b6270",
    ],
)  # fmt: skip
SEEN = pytest.mark.parametrize(
    "style",
    [
        "display:block", "visibility:visible", "font-size:11px", "font-size:1em", "opacity:0.8",
        "color:#333333", "color:#ffffff;background:#000 url(night.png)", "background:rgba(91,98,112,0)",
        "background:transparent", "color:inherit", "color:var(--ink)", "font-size:calc(1px + 1em)",
    ],
)  # fmt: skip
FOOTER_STYLE = 'color:#5b6270;unicode-bidi:plaintext;{{ wrapped }}"'
LINK_STYLE = 'style="color:#5b6270;text-decoration:underline">{% translate "Unsubscribe" %}'


@UNSEEN
def test_it_stops_when_styles_hide_the_footer(campaign, style):
    campaign.contents.update(markup="mjml", body=HIDING.format(f"td.footer {{ {style} }}"))
    assert len(stopped(campaign)) == 2


@UNSEEN
@pytest.mark.parametrize("markup", ["markdown", "mjml"])
def test_it_stops_when_the_footer_hides_itself(campaign, own_layouts, markup, style):
    own_layouts("_footer.html", FOOTER_STYLE, f'background:#ffffff;{FOOTER_STYLE[:-1]};{style}"')
    campaign.contents.update(**({"markup": "mjml", "body": MJML} if markup == "mjml" else {}))
    refused = stopped(campaign)
    assert "The HTML part does not show who sends it, with the postal address." in refused


def test_it_stops_when_the_unsubscribe_link_alone_is_hidden(campaign, own_layouts):
    own_layouts("_footer.html", LINK_STYLE, LINK_STYLE.replace("#5b6270", "#f2f4f7"))
    assert stopped(campaign) == ["The HTML part shows no unsubscribe link."]


def test_it_stops_when_what_stands_around_the_footer_hides_it(campaign, own_layouts):
    own_layouts("_footer.html", "margin:0 auto", "margin:0 auto;visibility:hidden")
    assert len(stopped(campaign)) == 2


@pytest.mark.parametrize(
    "begin",
    [
        '<mj-head><mj-attributes><mj-all background-color="#5b6270" /></mj-attributes></mj-head><mj-body>',
        '<mj-body background-color="#5b6270">',
    ],
    ids=["attributes", "body"],
)
def test_it_stops_when_the_page_has_the_color_of_the_footer(campaign, begin):
    said = "<mj-section><mj-column><mj-text>News</mj-text></mj-column></mj-section>"
    body = f"<mjml>{begin}{said}</mj-body></mjml>"
    campaign.contents.update(markup="mjml", body=body)
    assert len(stopped(campaign)) == 2
    campaign.contents.update(body=body.replace("#5b6270", "#eeeeee"))
    assert stopped(campaign) == []


@SEEN
def test_it_passes_a_footer_that_is_styled_and_seen(campaign, own_layouts, style):
    own_layouts("_footer.html", FOOTER_STYLE, f'{FOOTER_STYLE[:-1]};{style}"')
    assert stopped(campaign) == []
    campaign.contents.update(markup="mjml", body=HIDING.format(f".footer {{ {style} }}"))
    assert stopped(campaign) == []


def test_it_passes_styles_that_color_the_footer(campaign):
    campaign.contents.update(markup="mjml", body=HIDING.format(".footer { color: #333333 }"))
    assert stopped(campaign) == []
