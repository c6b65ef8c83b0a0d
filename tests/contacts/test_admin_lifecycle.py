"""What the page of a person shows beside the timeline: the values of fields, and the segments they are in."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from campaigns import progress
from campaigns.models import Campaign, Delivery
from contacts import segments
from contacts.admin import memberships
from contacts.models import Contact, DataField, Segment, StaticList, Tag
from tests import make

pytestmark = pytest.mark.django_db


def page_of(contact: Contact) -> str:
    return reverse("admin:contacts_contact_change", args=[contact.pk])


def sign_in(client, *permissions: str) -> None:
    client.force_login(
        make.permit(make.staff("nora", superuser=False), "contacts.view_contact", *permissions)
    )


def panel(client, contact: Contact, title: str):
    shown = client.get(page_of(contact)).context_data["panels"]
    return next((each.context for each in shown if str(each.title) == title), None)


def give_reason(client, contact: Contact) -> None:
    ask = reverse("admin:contacts_contact_show_name", args=[contact.pk])
    client.post(ask, {"reason": "She asked by phone"})


def asked(condition: str, operator: str, value: object = None) -> dict[str, object]:
    return {"condition": condition, "operator": operator, "value": value}


@pytest.fixture
def ada():
    make.field("city", label="City", purpose="Invite to readings nearby")
    make.field("born", DataField.Type.DATE, label="Birthday", need="need_to_know")
    return make.contact("ada@example.org", attributes={"city": "Lyon", "born": "1985-12-10"})


def test_it_shows_the_values_of_fields_once_a_reason_is_given(client, ada):
    sign_in(client, "contacts.view_identity")
    assert panel(client, ada, "Fields")["lines"] == []
    before = client.get(page_of(ada)).content.decode()
    assert "Lyon" not in before
    assert "Shown with the name, once a reason is given." in before
    give_reason(client, ada)
    lines = panel(client, ada, "Fields")["lines"]
    assert [(line.label, line.words) for line in lines] == [
        ("Birthday", "10 December 1985"),
        ("City", "Lyon"),
    ]
    assert "Invite to readings nearby" in client.get(page_of(ada)).content.decode()


def test_it_shows_no_value_of_a_field_without_view_identity(client, ada):
    sign_in(client, "contacts.view_datafield", "contacts.change_contact")
    give_reason(client, ada)
    assert panel(client, ada, "Fields") is None
    shown = client.get(page_of(ada)).content.decode()
    assert "Lyon" not in shown
    assert "1985" not in shown


def test_it_shows_values_of_the_person_alone_for_whom_a_reason_was_given(client, ada):
    bo = make.contact("bo@example.org", attributes={"city": "Brest"})
    sign_in(client, "contacts.view_identity")
    give_reason(client, ada)
    assert "Brest" not in client.get(page_of(bo)).content.decode()


def test_it_says_which_values_wait_to_be_erased(client, ada):
    DataField.objects.filter(key="born").update(retired_at=timezone.now())
    Contact.objects.filter(pk=ada.pk).update(attributes={"born": "1985-12-10", "shoe": "41"})
    sign_in(client, "contacts.view_identity")
    give_reason(client, ada)
    shown = client.get(page_of(ada)).content.decode()
    assert "retired" in shown
    assert "no longer registered" in shown


def test_it_says_values_in_the_language_of_the_desk(client, ada):
    DataField.objects.filter(key="city").update(translations={"fr": {"label": "Ville"}})
    sign_in(client, "contacts.view_identity")
    give_reason(client, ada)
    client.cookies["django_language"] = "fr"
    with translation.override("fr"):
        title = str(translation.gettext("Fields"))
    lines = panel(client, ada, title)["lines"]
    assert {line.label: line.words for line in lines}["Ville"] == "Lyon"


def test_it_names_the_segments_a_person_is_in_with_their_links(client, ada):
    french = Segment.objects.create(name="French", rule=asked("language", "is", "fr"))
    lyon = Segment.objects.create(name="Lyon", rule=asked("field.city", "is", "Lyon"))
    sign_in(client, "contacts.view_segment")
    assert panel(client, ada, "Segments")["segments"] == [lyon]
    shown = client.get(page_of(ada)).content.decode()
    assert reverse("admin:contacts_segment_change", args=[lyon.pk]) in shown
    assert reverse("admin:contacts_segment_change", args=[french.pk]) not in shown


def test_it_names_no_segment_without_view_segment(client, ada):
    Segment.objects.create(name="Everybody we know", rule={})
    sign_in(client, "contacts.view_identity")
    assert panel(client, ada, "Segments") is None
    assert "Everybody we know" not in client.get(page_of(ada)).content.decode()


def test_it_says_that_a_person_is_in_no_segment(client, ada):
    sign_in(client, "contacts.view_segment")
    assert "In no segment now." in client.get(page_of(ada)).content.decode()


def test_it_asks_a_bounded_number_of_segments(client, ada, monkeypatch):
    monkeypatch.setattr(memberships, "MOST", 2)
    for name in "ABC":
        Segment.objects.create(name=name, rule={})
    sign_in(client, "contacts.view_segment")
    assert [each.name for each in panel(client, ada, "Segments")["segments"]] == ["A", "B"]
    assert "Only the first 2 segments" in client.get(page_of(ada)).content.decode()


@pytest.fixture
def world(ada):
    """Every kind of condition, on both sides of a `not`, over people of whom each has some of it."""
    news, now = make.topic(), timezone.now()
    people = [ada, *(make.contact(language="fr") for _ in range(3))]
    for person in people[:2]:
        make.granted(person, news)
    campaign = make.campaign(news)
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", send_at=now)
    progress.start_due()
    Delivery.objects.filter(contact=ada).update(
        state="delivered",
        handed_over_at=now - timedelta(days=2),
        settled_at=now,
        event=ada.permissions.get().event,
        address=ada.addresses.get(),
        attempt=1,
    )
    make.withdrawn(people[1], news)
    fair, vip = StaticList.objects.create(name="Fair"), Tag.objects.create(name="vip")
    fair.contacts.add(people[1], people[2])
    people[2].tags.add(vip)
    questions = [
        asked("language", "is", "fr"),
        asked("created", "in_the_last", 3),
        asked("field.city", "is", "Lyon"),
        asked("tag", "is", "vip"),
        asked("tag", "is_not", "vip"),
        asked("static_list", "is", str(fair.pk)),
        asked("permission.product-news.email", "has"),
        asked("permission.product-news.email", "has_not"),
        asked("permission.product-news.email", "lost"),
        asked("campaign", "received", str(campaign.pk)),
        asked("campaign", "not_received", str(campaign.pk)),
        asked("messages", "not_in_the_last", 30),
    ]
    for number, each in enumerate(questions):
        both = {"any": [each, {"not": asked("tag", "is", "vip")}]}
        for kind, rule in (("plain", each), ("not", {"not": each}), ("any", both)):
            Segment.objects.create(name=f"{number} {kind}", rule=rule)
    Segment.objects.create(name="everybody", rule={})
    Segment.objects.create(name="gone", rule=asked("field.shoe", "is", "41"))
    return people


def test_it_finds_the_same_segments_as_asking_each_of_everybody(world):
    everything = list(Segment.objects.order_by("pk"))
    readable = [segment for segment in everything if segment.name != "gone"]
    for person in world:
        expected = [
            each for each in readable if segments.members(each).filter(pk=person.pk).exists()
        ]
        assert segments.segments_of(person, among=everything) == expected
        assert 0 < len(expected) < len(readable)


def test_it_asks_all_segments_of_a_person_in_one_query(world):
    def asked_of(person: Contact, many: int) -> int:
        among = list(Segment.objects.order_by("pk")[:many])
        with CaptureQueriesContext(
            connection,
        ) as queries:
            segments.segments_of(person, among=among)
        return len(queries)

    assert asked_of(world[0], 3) == asked_of(world[0], 30)
    before = asked_of(world[0], 30)
    for _ in range(10):
        make.granted(make.contact(), Campaign.objects.get().topic)
    assert asked_of(world[0], 30) == before


def test_it_finds_an_erased_person_in_no_segment(world):
    Contact.objects.filter(pk=world[3].pk).update(
        erased_at=timezone.now(), attributes={}, timezone=""
    )
    assert segments.segments_of(world[3], among=list(Segment.objects.all())) == []
