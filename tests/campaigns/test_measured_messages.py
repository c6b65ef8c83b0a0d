"""Who permits it gets the measured form of a message; everybody else the plain one, byte for byte."""

import re
import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, transaction
from django.utils import timezone

from campaigns import approval, claims, content, services
from campaigns.content import Measuring
from campaigns.mime import Skeleton
from campaigns.models import Campaign, Destination, Lane
from consent import links
from consent import services as consent
from consent.models import Topic
from contacts.models import Channel
from tests import make
from tests.campaigns import engine, measuring
from tests.campaigns.letters import FIELDS, IDENTITY, LINKS, NOW, ORIGIN
from tests.campaigns.test_mime import essence

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people():
    news = make.topic()
    found = {name: make.contact(f"{name}@example.org") for name in ("ada", "bo")}
    for person in found.values():
        make.granted(person, news)
    measuring.permit(found["ada"])
    return news, found["ada"], found["bo"]


def plain(message: str) -> str:
    """Without what differs between any two messages: tokens."""
    return re.sub(r"/[umc]/[\w-]+/", "/token/", message)


def test_it_measures_only_who_permits_it_and_leaves_the_others_exactly_as_they_were(sink, people):
    news, ada, bo = people
    unmeasured = measuring.sent(measuring.campaign(news, is_measured=False))
    before = measuring.bodies(sink)
    measured = measuring.sent(measuring.campaign(news))
    after = measuring.bodies(sink, after=2)
    for form in (0, 1):
        assert plain(after["bo@example.org"][form]) == plain(before["bo@example.org"][form])
    assert plain(after["ada@example.org"][0]) == plain(before["ada@example.org"][0])
    assert plain(after["ada@example.org"][1]) != plain(before["ada@example.org"][1])
    assert not Destination.objects.filter(campaign=unmeasured).exists()
    assert measuring.delivery_of(measured, ada).is_measured
    assert not measuring.delivery_of(measured, bo).is_measured
    assert not unmeasured.deliveries.filter(is_measured=True).exists()


def test_it_leads_web_links_through_us_and_nothing_else(sink, people, settings):
    news, ada, _bo = people
    campaign = measuring.sent(measuring.campaign(news))
    _text, html = measuring.bodies(sink)["ada@example.org"]
    paths, pixel = measuring.paths(html)
    assert [path.split("/")[3] for path in paths] == ["1", "2"]
    assert dict(campaign.destinations.values_list("number", "url")) == {
        1: "https://lumen.example/new?a=1&b=2",
        2: "http://old.example/",
    }
    tokens = {path.split("/")[2] for path in paths} | {pixel.split("/")[2].removesuffix(".gif")}
    (token,) = tokens
    hit = links.read_hit(token)
    assert (hit.campaign, hit.delivery) == (campaign.pk, measuring.delivery_of(campaign, ada).pk)
    for kept in (
        'href="mailto:hello@lumen.example"',
        'href="tel:+33100000000"',
        'href="https://lumen.example/?name="',
        'href="https://lumen.example/shown"',
        f'href="{settings.PUBLIC_URL}/u/',
        f'href="{settings.PUBLIC_URL}/m/',
        f'href="{settings.PUBLIC_URL}/c/',
        'href="https://lumen.example/privacy"',
    ):
        assert kept in html
    assert html.count("/o/") == 1


@pytest.mark.parametrize("how", ["retired", "withdrawn", "never asked", "over"])
def test_it_measures_nobody_whose_permission_does_not_stand(how, sink):
    news, ada = make.topic(), make.contact("ada@example.org")
    make.granted(ada, news)
    use = measuring.topic()
    if how != "never asked":
        measuring.permit(ada, use)
    campaign = engine.started(measuring.campaign(news))
    match how:
        case "retired":
            consent.retire_topic(topic=use)
        case "withdrawn":
            measuring.take_back(ada, use)
        case "over":
            ada.permissions.filter(topic=use).update(valid_until=timezone.now())
    engine.work(campaign)
    text, html = measuring.bodies(sink)["ada@example.org"]
    assert "/k/" not in text + html
    assert "/o/" not in html
    assert not campaign.deliveries.filter(is_measured=True).exists()


def test_it_asks_once_more_after_the_claim(people, settings):
    settings.DELIVERY_LANES = 1
    news, _ada, _bo = people
    campaign = engine.started(measuring.campaign(news))
    lane = Lane.objects.get(campaign=campaign)
    lease = timedelta(seconds=60)
    with claims.Session(campaign, lane=lane.pk, number=0, lease=lease) as session:
        unit = uuid.uuid4()
        _, claimed = session.claim(unit, size=2, walking=True, before=None)
        measured = {each.person.email for each in claimed if each.person.is_measured}
        consent.retire_topic(topic=measuring.topic())
        looked = session.look(unit)
    assert measured == {"ada@example.org"}
    assert not any(each.person.is_measured for each in looked)


def test_it_is_the_same_message_over_any_backend():
    body = (
        measuring.BODY
        + "\n\n{% if contact.city == 'Lyon' %}[more](https://lumen.example/more){% endif %}"
    )
    source = content.Source(subject="News", body=body)
    form = Measuring(
        "https://news.acme.example", {"https://lumen.example/more": 3, "http://old.example/": 2}
    )
    made = content.compile_source(source, identity=IDENTITY, fields=FIELDS, measuring=form)
    assert set(form.numbers) < set(made.destinations)
    one = Skeleton(made, ORIGIN).address(
        "ada@example.org",
        values={"city": "Lyon", "hit_token": "abc", **LINKS},
        message_id="<1@acme.example>",
        date=NOW,
    )
    generic = one.as_email().message().as_bytes()
    for eight_bit in (True, False):
        assert essence(one.as_bytes(eight_bit=eight_bit)) == essence(generic)
    html = made.html.join(one.html)
    assert 'href="https://news.acme.example/k/abc/3/"' in html
    assert 'href="https://news.acme.example/k/abc/2/"' in html
    assert 'href="https://lumen.example/new?a=1&amp;b=2"' in html
    assert 'src="https://news.acme.example/o/abc.gif"' in html


def test_it_measures_the_links_and_buttons_of_mjml():
    body = (
        '<mj-section><mj-column><mj-button href="https://b.example/x?a=1&amp;b=2">Read</mj-button>'
        '<mj-image src="https://b.example/i.png" href="https://b.example/i" alt="A book" />'
        '<mj-text>See <a href="https://b.example/y">why</a></mj-text></mj-column></mj-section>'
    )
    source = content.Source(subject="News", body=body, markup="mjml")
    urls = ("https://b.example/x?a=1&b=2", "https://b.example/i", "https://b.example/y")
    form = Measuring("https://news.acme.example", {url: n for n, url in enumerate(urls, start=1)})
    made = content.compile_source(source, identity=IDENTITY, fields=FIELDS, measuring=form)
    assert made.destinations == urls
    html = made.render({"hit_token": "abc", **LINKS}).html
    assert html.count('href="https://news.acme.example/k/abc/') == 3
    assert html.count("/o/abc.gif") == 1
    assert 'src="https://b.example/i.png"' in html


def test_many_links_in_one_line_still_travel_as_they_are():
    row = "".join(f"[{n}](https://lumen.example/{n})" for n in range(8))
    source = content.Source(subject="News", body=row)
    form = Measuring(
        "https://news.acme.example", {f"https://lumen.example/{n}": n for n in range(8)}
    )
    made = content.compile_source(source, identity=IDENTITY, fields=FIELDS, measuring=form)
    one = Skeleton(made, ORIGIN).address(
        "ada@example.org",
        values={"hit_token": "t" * 80, **LINKS},
        message_id="<1@acme.example>",
        date=NOW,
    )
    assert b"Encoding: 8bit" in one.as_bytes(eight_bit=True)


@pytest.mark.parametrize(
    "html",
    [
        '<a title=\'href="https://a.example/"\' href="https://b.example/x">words</a>',
        '<a href="https://b.example/x" title="t">words</a>',
        '<A HREF = "https://b.example/x">words</A>',
    ],
)
def test_it_reads_the_address_of_a_link_wherever_it_stands(html):
    source = content.Source(subject="News", body=html, markup="html")
    made = content.compile_source(source, identity=IDENTITY, fields=FIELDS)
    assert made.destinations == ("https://b.example/x",)


@pytest.mark.parametrize(
    "body",
    [
        "[a](ftp://a.example/)",
        "[a](/path)",
        "[a](https://)",
        "[www.a.example](https://www.a.example/)",
        "<https://a.example/x>",
        "![picture](https://a.example/x.png)",
        "[a](https://a.example/{{ contact.city }})",
    ],
)
def test_it_leaves_a_link_plain_when_it_cannot_be_measured_honestly(body):
    made = content.compile_source(
        content.Source(subject="News", body=body), identity=IDENTITY, fields=FIELDS
    )
    assert made.destinations == ()


def test_it_never_measures_links_to_ourselves(sink, people, settings):
    news, _ada, _bo = people
    campaign = measuring.campaign(news)
    campaign.contents.update(
        body=f"[join]({settings.PUBLIC_URL}/join/) [us]({settings.PUBLIC_URL})"
    )
    measuring.sent(campaign)
    assert not campaign.destinations.exists()


def test_nobody_can_write_the_token_into_a_message():
    with pytest.raises(content.UnknownName):
        content.compile_source(
            content.Source(subject="News", body="{{ hit_token }}"), identity=IDENTITY, fields=FIELDS
        )


def test_it_refuses_to_schedule_when_no_topic_permits_measurement():
    campaign = measuring.campaign(make.topic())
    with pytest.raises(services.NotReady, match="measured"):
        engine.scheduled(campaign)
    use = measuring.topic()
    consent.retire_topic(topic=use)
    with pytest.raises(services.NotReady, match="measured"):
        engine.scheduled(campaign)


def test_it_measures_no_text_message():
    with pytest.raises(IntegrityError, match="campaign_measured_is_an_email"), transaction.atomic():
        make.campaign(make.topic(), channel=Channel.SMS, is_measured=True)


def test_switching_measurement_on_ends_an_approval(settings):
    news, author, other = make.topic(), make.staff("author"), make.staff("other")
    measuring.topic()
    campaign = make.campaign(news, author=author)
    services.ask_approval(campaign=campaign, actor_id=author.pk)
    services.approve_campaign(campaign=campaign, actor_id=other.pk)
    assert approval.stands(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(is_measured=True)
    campaign.refresh_from_db()
    assert not approval.stands(campaign)


def test_a_copy_is_measured_like_its_original():
    campaign = measuring.campaign(make.topic())
    copy = services.duplicate_campaign(campaign=campaign, name="Again", author_id=None)
    assert copy.is_measured


def test_a_test_and_the_browser_view_are_never_measured(sink, people, client, settings):
    news, _ada, _bo = people
    campaign = measuring.sent(measuring.campaign(news))
    _text, html = measuring.bodies(sink)["ada@example.org"]
    (seen,) = set(re.findall(rf'href="{settings.PUBLIC_URL}(/c/[^"]+)"', html))
    shown = client.get(seen)
    assert shown.status_code == 200
    assert "/k/" not in shown.content.decode()
    assert "/o/" not in shown.content.decode()
    services.send_test(campaign=campaign, language="en", staff=make.staff())
    (body,) = measuring.bodies(sink, after=2).values()
    assert "/k/" not in body[1]


def test_one_topic_at_most_permits_measurement():
    measuring.topic()
    second = measuring.topic("other", status=Topic.Status.DRAFT)
    with pytest.raises(consent.NotPublishable, match="retire"):
        consent.publish_topic(topic=second)
    with pytest.raises(IntegrityError, match="topic_one_permits_measurement"), transaction.atomic():
        Topic.objects.filter(pk=second.pk).update(status="published")


def test_only_a_use_of_data_permits_measurement():
    with (
        pytest.raises(IntegrityError, match="topic_measurement_is_a_use_of_data"),
        transaction.atomic(),
    ):
        make.topic("news", covers_measurement=True)


def test_no_yes_is_read_as_a_yes_to_measurement_afterwards():
    use = make.topic("city", use="data", offers_email=False, offers_sms=False)
    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        Topic.objects.filter(pk=use.pk).update(covers_measurement=True)
    draft = make.topic("other", use="data", offers_email=False, offers_sms=False, status="draft")
    Topic.objects.filter(pk=draft.pk).update(covers_measurement=True)
