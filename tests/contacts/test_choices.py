"""The choices of a field: what people hold, or a segment asks for, is renamed or erased, never left."""

from functools import partial

import pytest
from django.urls import reverse

from contacts import choices, retention, rights, tasks
from contacts import services as contacts
from contacts.holders import Cause
from contacts.models import DataField, Segment
from tests import make
from tests.contacts.test_admin_field import FILLED, page_of

pytestmark = pytest.mark.django_db
Type = DataField.Type


@pytest.fixture
def genre() -> DataField:
    return make.field(
        "genre",
        Type.CHOICE,
        choices=["Poems", "Plays", "Novels"],
        translations={
            "fr": {"choices": {"Poems": "Poésie", "Plays": "Théâtre", "Novels": "Romans"}}
        },
    )


@pytest.fixture
def desk(client):
    client.force_login(make.officer())
    return client


def reader(value):
    return make.contact(attributes={"genre": value})


def kept(person):
    person.refresh_from_db()
    return person.attributes.get("genre")


def saved(desk, field, lines: str) -> str:
    form = FILLED | {"choices": lines, "choices_fr": "", "label_fr": "", "purpose_fr": ""}
    return str(desk.post(page_of(field), form, follow=True).content.decode())


def test_it_keeps_a_choice_while_people_hold_it_and_says_how_many(desk, genre):
    for value in ("Poems", "Poems", "Plays"):
        reader(value)
    said = saved(desk, genre, "Novels")
    assert "“Poems” (2 people), “Plays” (1 person)" in said
    genre.refresh_from_db()
    assert genre.choices == ["Poems", "Plays", "Novels"]
    saved(desk, genre, "Plays\nPoems")
    genre.refresh_from_db()
    assert genre.choices == ["Plays", "Poems"]


def test_it_keeps_a_choice_while_a_segment_asks_for_it(desk, genre):
    rule = {"condition": "field.genre", "operator": "is_any_of", "value": ["Novels", "Plays"]}
    Segment.objects.create(name="Of the theater", rule={"not": {"any": [rule]}})
    assert "“Of the theater”" in saved(desk, genre, "Poems\nNovels")
    with pytest.raises(choices.ChoiceAsked):
        choices.replace(field=genre, choice="Plays", becomes="Drama")


def test_it_closes_no_list_around_what_people_hold():
    topics = make.field("genre", Type.LIST)
    reader(["Poems", "Cooking"])
    check = partial(choices.check, topics)
    check(wanted=[])
    with pytest.raises(choices.ChoiceHeld, match="“Cooking”"):
        check(wanted=["Poems", "Plays"])
    check(wanted=["Poems", "Cooking"])


def test_it_renames_a_choice_of_everybody_who_holds_it(desk, genre):
    ada, bo = reader("Poems"), reader("Plays")
    page = reverse("admin:contacts_datafield_replace_choice", args=[genre.pk])
    assert "Poems (1 person)" in desk.get(page).content.decode()
    desk.post(page, {"choice": "Poems", "becomes": " Poetry "})
    genre.refresh_from_db()
    assert genre.choices == ["Poetry", "Plays", "Novels"]
    assert genre.translations["fr"]["choices"]["Poetry"] == "Poésie"
    assert retention.erase_expired(dry_run=True) == []
    tasks.settle_choices()
    assert (kept(ada), kept(bo)) == ("Poetry", "Plays")


def test_it_joins_a_choice_to_another_one_that_is_there(genre):
    ada = reader("Poems")
    choices.replace(field=genre, choice="Poems", becomes="Plays")
    assert genre.choices == ["Plays", "Novels"]
    assert genre.translations["fr"]["choices"] == {"Plays": "Théâtre", "Novels": "Romans"}
    tasks.settle_choices()
    assert kept(ada) == "Plays"


def test_it_erases_a_choice_only_when_told_to(desk, genre):
    ada = reader("Poems")
    page = reverse("admin:contacts_datafield_replace_choice", args=[genre.pk])
    for unclear in (
        {"choice": "Poems"},
        {"choice": "Poems", "becomes": "Plays", "is_erased": "on"},
    ):
        assert "or have it erased" in desk.post(page, unclear).content.decode()
    genre.refresh_from_db()
    assert "Poems" in genre.choices
    desk.post(page, {"choice": "Poems", "is_erased": "on"})
    found = [retention.Finding("genre", Cause.NOT_A_CHOICE, 1)]
    assert retention.erase_expired(dry_run=True) == found
    assert kept(ada) == "Poems"
    assert retention.erase_expired() == found
    assert kept(ada) is None


def test_it_takes_what_is_no_choice_out_of_a_list_and_keeps_the_rest():
    topics = make.field("genre", Type.LIST, choices=["Poems", "Plays", "Novels"])
    ada, bo, cy = (reader(value) for value in (["Poems", "Plays"], ["Plays"], ["Poems", "Novels"]))
    choices.replace(field=topics, choice="Plays", becomes="")
    choices.replace(field=topics, choice="Poems", becomes="Novels")
    tasks.settle_choices()
    assert (kept(ada), kept(bo), kept(cy)) == (["Novels"], None, ["Novels"])


def test_it_follows_a_choice_that_was_renamed_twice_and_lets_a_name_come_back(genre):
    ada = reader("Poems")
    choices.replace(field=genre, choice="Poems", becomes="Verse")
    choices.replace(field=genre, choice="Verse", becomes="Poetry")
    tasks.settle_choices()
    assert kept(ada) == "Poetry"
    choices.replace(field=genre, choice="Poetry", becomes="Poems")
    bo = reader("Poems")
    tasks.settle_choices()
    assert (kept(ada), kept(bo)) == ("Poems", "Poems")


def test_it_changes_nothing_that_a_hold_keeps_before_it_is_lifted(genre):
    ada = reader("Poems")
    hold = rights.place_hold(contact=ada, reason="A claim in court", placer_id=None)
    choices.replace(field=genre, choice="Poems", becomes="Poetry")
    tasks.settle_choices()
    assert kept(ada) == "Poems"
    rights.lift_hold(hold=hold)
    retention.erase_expired()
    assert kept(ada) == "Poetry"


def test_it_replaces_no_choice_that_is_gone_and_leaves_one_at_least():
    only = make.field("genre", Type.CHOICE, choices=["Poems"])
    with pytest.raises(choices.ChoiceUnknown):
        choices.replace(field=only, choice="Plays", becomes="")
    with pytest.raises(choices.LastChoice):
        choices.replace(field=only, choice="Poems", becomes="")
    contacts.update_contact(contact=reader("Poems"), attributes={"genre": None})
    choices.check(only, wanted=["Plays"])
