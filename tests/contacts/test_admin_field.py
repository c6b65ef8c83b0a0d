"""The desk of registered fields: choices by line, and words in every language that people read."""

import pytest
from django.urls import reverse
from django.utils import translation

from consent.models import Topic
from contacts.models import DataField
from tests import make

pytestmark = pytest.mark.django_db
ADD = reverse("admin:contacts_datafield_add")
FILLED = {
    "label": "Genre",
    "key": "genre",
    "type": "choice",
    "choices": "Poems\n\n Plays \nPoems",
    "is_asked_at_sign_up": "on",
    "need": "useful",
    "basis": "legitimate_interest",
    "purpose": "Choose the news that fits you",
    "justification": "The editors choose the books of each letter by it; else all get the same.",
    "topic_key": "",
    "owner": "Editorial office",
    "retention_days": "730",
    "review_on": "2100-01-01",
    "label_fr": "Genre littéraire",
    "purpose_fr": "Choisir les nouvelles qui vous conviennent",
    "choices_fr": "Poèmes\nPièces",
}


@pytest.fixture
def desk(client):
    client.force_login(make.staff())
    return client


def page_of(field):
    return reverse("admin:contacts_datafield_change", args=[field.pk])


def test_it_keeps_what_people_read_of_a_field_in_another_language(desk):
    assert desk.post(ADD, FILLED).status_code == 302
    genre = DataField.objects.get()
    assert genre.choices == ["Poems", "Plays"]
    with translation.override("fr"):
        assert genre.text("label") == "Genre littéraire"
        assert genre.text("purpose") == "Choisir les nouvelles qui vous conviennent"
        assert genre.choice_text("Plays") == "Pièces"
    with translation.override("en"):
        assert (genre.text("label"), genre.choice_text("Plays")) == ("Genre", "Plays")


def test_it_shows_the_translations_again_and_keeps_them_when_nothing_is_changed(desk):
    desk.post(ADD, FILLED)
    genre = DataField.objects.get()
    page = desk.get(page_of(genre)).content.decode()
    assert "Poèmes\nPièces" in page
    assert "Poems\nPlays" in page
    desk.post(page_of(genre), FILLED | {"choices": "Poems\nPlays"})
    assert DataField.objects.get().translations == genre.translations


def test_it_refuses_translations_that_do_not_match_the_choices(desk):
    page = desk.post(ADD, FILLED | {"choices_fr": "Poèmes"}).content.decode()
    assert "Give one line for each choice" in page
    assert not DataField.objects.exists()


def test_it_refuses_a_choice_without_choices(desk):
    page = desk.post(ADD, FILLED | {"choices": " ", "choices_fr": ""}).content.decode()
    assert "Write the choices, one per line." in page
    assert desk.post(ADD, FILLED | {"choices": "a\0b", "choices_fr": ""}).status_code == 200
    assert not DataField.objects.exists()


def test_it_offers_the_uses_of_data_that_people_can_permit_and_takes_no_other(desk):
    make.topic("letters")
    make.topic(
        "remember-city",
        use=Topic.Use.DATA,
        offers_email=False,
        offers_sms=False,
        public_name="Remember my city",
    )
    page = desk.get(ADD).content.decode()
    assert "Remember my city" in page
    assert "Letters" not in page
    for wrong in ("letters", "remember-citi"):
        desk.post(ADD, FILLED | {"topic_key": wrong})
        assert not DataField.objects.exists()
    desk.post(ADD, FILLED | {"topic_key": "remember-city", "basis": "consent"})
    genre = DataField.objects.get()
    assert genre.topic_key == "remember-city"
    for ended in ("retired", "draft"):
        Topic.objects.update(status=ended)
        assert "Remember my city" not in desk.get(ADD).content.decode()
    desk.post(page_of(genre), FILLED | {"topic_key": "remember-city", "label": "Taste"})
    genre.refresh_from_db()
    assert (genre.label, genre.topic_key) == ("Taste", "remember-city")


def test_it_asks_to_which_use_consent_is_given(desk):
    page = desk.post(ADD, FILLED | {"basis": "consent"}).content.decode()
    assert "say to which one" in page
    assert not DataField.objects.exists()


def test_it_falls_back_to_its_own_words_where_nothing_is_translated(desk):
    desk.post(ADD, FILLED | {"label_fr": "", "purpose_fr": " ", "choices_fr": ""})
    genre = DataField.objects.get()
    assert genre.translations == {"fr": {}}
    with translation.override("fr"):
        assert (genre.text("label"), genre.choice_text("Poems")) == ("Genre", "Poems")
