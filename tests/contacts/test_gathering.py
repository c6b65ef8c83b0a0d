"""Static lists are filled by rule, pseudonym or address; nobody is created and nothing is permitted."""

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts import gathering, segments
from contacts.models import Contact, Segment, StaticList, Tag
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast():
    return {
        name: make.contact(f"{name}@example.org", language=language)
        for name, language in (("ada", "fr"), ("bo", "fr"), ("cy", "en"))
    }


@pytest.fixture
def guests():
    return StaticList.objects.create(name="Guests")


def on(static_list):
    return set(static_list.contacts.values_list("pk", flat=True))


def test_it_finds_people_by_whole_and_short_pseudonym_and_by_address(cast):
    text = (
        f'name;mail\n{cast["ada"].subject}, {cast["bo"].pseudonym}\n"CY@Example.org"; x@y.example'
    )
    named = gathering.named_in(text, with_addresses=True)
    assert named.contacts == {person.pk for person in cast.values()}
    assert named.unknown == 1


def test_it_looks_for_no_address_without_the_right_to_see_it(cast):
    named = gathering.named_in("ada@example.org", with_addresses=False)
    assert (named.contacts, named.unknown) == (frozenset(), 1)


@pytest.mark.parametrize("text", ["", "\x00", "@@@ @", "deadbeef", "a" * 5000, "é@è", "🂡,%s,'"])
def test_it_names_nobody_by_odd_words(cast, text):
    assert not gathering.named_in(text, with_addresses=True).contacts


def test_it_passes_over_who_was_erased_and_over_a_pseudonym_of_two(cast):
    twin = str(cast["ada"].subject)[:8] + "-0000-4000-8000-000000000000"
    Contact.objects.create(subject=twin)
    assert not gathering.named_in(cast["ada"].pseudonym, with_addresses=True).contacts
    Contact.objects.filter(pk=cast["bo"].pk).update(erased_at="2026-01-01T00:00Z")
    text = f"bo@example.org {cast['bo'].subject}"
    assert not gathering.named_in(text, with_addresses=True).contacts


def test_it_refuses_more_words_than_it_can_look_for(monkeypatch):
    monkeypatch.setattr(gathering, "MOST_WORDS", 2)
    with pytest.raises(gathering.GatheringError, match="At most 2 words"):
        gathering.named_in("a b c", with_addresses=True)


def test_it_adds_and_removes_in_one_statement(cast, guests, django_assert_num_queries):
    french = segments.matching({"condition": "language", "operator": "is", "value": "fr"})
    gathering.add(guests, Contact.objects.filter(pk=cast["ada"].pk))
    with django_assert_num_queries(3):
        assert gathering.add(guests, french) == 1
    assert on(guests) == {cast["ada"].pk, cast["bo"].pk}
    assert gathering.remove(guests, french.filter(pk=cast["bo"].pk)) == 1
    assert gathering.remove(guests, french.filter(pk=cast["bo"].pk)) == 0
    assert gathering.add(guests, Contact.objects.none()) == 0
    assert on(guests) == {cast["ada"].pk}


def post(client, guests, act, **given):
    address = reverse(f"admin:contacts_staticlist_{act}", args=[guests.pk])
    return client.post(address, {"segment": "", "words": ""} | given, follow=True)


def test_it_fills_and_empties_a_list_on_the_desk(client, cast, guests):
    client.force_login(make.staff())
    french = Segment.objects.create(
        name="French", rule={"condition": "language", "operator": "is", "value": "fr"}
    )
    page = post(client, guests, "put", segment=french.pk, words="cy@example.org eve@example.org")
    shown = page.content.decode()
    assert "3 people were added. 1 word names nobody." in shown
    assert cast["cy"].pseudonym in shown
    file = SimpleUploadedFile("x.csv", f"who\n{cast['cy'].subject}\n".encode())
    assert "1 person was removed." in post(client, guests, "take", file=file).content.decode()
    assert on(guests) == {cast["ada"].pk, cast["bo"].pk}
    assert (
        client.get(reverse("admin:contacts_staticlist_take", args=[guests.pk])).status_code == 200
    )
    assert on(guests) == {cast["ada"].pk, cast["bo"].pk}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "Name a segment or people."),
        ({"file": SimpleUploadedFile("x.csv", b"\xff\xfe\x00")}, "This file is not UTF-8 text."),
        ({"file": SimpleUploadedFile("x.csv", b"x" * 2_000_001)}, "This file is too large"),
        ({"words": "\x00"}, "Null characters are not allowed."),
    ],
)
def test_it_says_what_is_wrong_with_what_was_given(client, guests, given, sentence):
    client.force_login(make.staff())
    assert sentence in post(client, guests, "put", **given).content.decode()


def test_it_keeps_a_list_that_a_segment_asks_for(client, guests):
    client.force_login(make.staff())
    rule = {"condition": "static_list", "operator": "is", "value": str(guests.pk)}
    Segment.objects.create(name="The guests", rule=rule)
    page = client.get(reverse("admin:contacts_staticlist_change", args=[guests.pk]))
    assert "The guests" in page.content.decode()
    delete = reverse("admin:contacts_staticlist_delete", args=[guests.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_it_keeps_a_tag_and_its_name_while_a_segment_asks_for_it(client):
    client.force_login(make.staff())
    tag = Tag.objects.create(name="f" * 64)
    change, delete = (
        reverse(f"admin:contacts_tag_{act}", args=[tag.pk]) for act in ("change", "delete")
    )
    rule = {"condition": "tag", "operator": "is_any_of", "value": [tag.name]}
    segment = Segment.objects.create(name="At the fair", rule={"not": {"all": [rule]}})
    assert "At the fair" in client.get(change).content.decode()
    client.post(change, {"name": "other"})
    assert client.post(delete, {"post": "yes"}).status_code == 403
    tag.refresh_from_db()
    assert tag.name == "f" * 64
    segment.delete()
    client.post(change, {"name": "other"})
    tag.refresh_from_db()
    assert tag.name == "other"


def test_it_deletes_a_tag_without_reading_who_has_it(client, cast):
    client.force_login(make.staff())
    tag = Tag.objects.create(name="fair")
    tag.contacts.add(*cast.values())
    delete = reverse("admin:contacts_tag_delete", args=[tag.pk])
    with CaptureQueriesContext(connection) as queries:
        assert "fair" in client.get(delete).content.decode()
    assert not any("contacts_contact_tags" in query["sql"] for query in queries)
    client.post(delete, {"post": "yes"})
    assert not Tag.objects.exists()
    assert Contact.objects.filter(pk=cast["ada"].pk).exists()


def test_it_asks_nobody_for_addresses_who_may_not_see_them(client, cast, guests):
    staff = make.staff("nora", superuser=False)
    for name in ("view_staticlist", "change_staticlist"):
        staff.user_permissions.add(Permission.objects.get(codename=name))
    client.force_login(staff)
    page = post(client, guests, "put", words=f"ada@example.org {cast['bo'].subject}")
    assert "1 person was added. 1 word names nobody." in page.content.decode()
    assert on(guests) == {cast["bo"].pk}
