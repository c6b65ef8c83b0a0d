"""What sign-up asks beside the boxes: optional, with its reason, and kept only once confirmed."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from consent import services
from consent.models import ConsentEvent, ServiceMail
from consent.tasks import expire_permissions
from contacts import rights
from contacts import services as contacts
from contacts.models import Channel, Contact, DataField
from tests import make
from tests.consent.public import mailed, manage_link, stamp, stranger

pytestmark = pytest.mark.django_db
Type = DataField.Type


@pytest.fixture
def news():
    make.organization()
    topic = make.topic()
    make.wording(topic)
    return topic


@pytest.fixture
def remember():
    use = make.topic("remember-city", use="data", offers_email=False, offers_sms=False)
    make.wording(use, Channel.DATA)
    return use


def asked(key, kind=Type.TEXT, **fields):
    return make.field(key, kind, is_asked_at_sign_up=True, **fields)


def fill(*wordings, **answers):
    return {
        "email": "bo@example.org",
        "yes": [wording.digest for wording in wordings],
        "stamp": stamp(),
        "website": "",
    } | {f"field-{key}": value for key, value in answers.items()}


def kept():
    return Contact.objects.get().attributes


def test_it_asks_only_what_is_marked_with_its_reason_and_requires_nothing(news):
    asked("city", purpose="Invite you to readings nearby.")
    make.field("plan")
    asked("old", retired_at=timezone.now())
    page = stranger().get("/join/").content.decode()
    assert "Invite you to readings nearby." in page
    assert 'aria-describedby="id_field-city_helptext"' in page
    assert "field-plan" not in page
    assert "field-old" not in page
    stranger().post("/join/", fill(make.wording(news)))
    [link] = mailed("confirm")
    stranger().post(link)
    assert kept() == {}


def test_it_keeps_the_answers_of_every_type_once_confirmed_and_not_before(news):
    asked("city")
    asked("books", Type.NUMBER)
    asked("born_on", Type.DATE)
    asked("plan", Type.CHOICE, choices=["pro", "free"])
    asked("teaches", Type.YES_NO)
    asked("genres", Type.LIST, choices=["poems", "plays", "essays"])
    asked("pets", Type.LIST)
    answers = {
        "city": " Lyon ", "books": "12", "born_on": "1990-05-31", "plan": "pro", "teaches": "no",
        "genres": ["poems", "essays"], "pets": "cat, dog",
    }  # fmt: skip
    stranger().post("/join/", fill(make.wording(news), **answers))
    assert kept() == {}
    [link] = mailed("confirm")
    assert "Lyon" not in link
    page = stranger().get(link).content.decode()
    for said in ("Lyon", "31 May 1990", "poems, essays", "No"):
        assert f"<dd>{said}</dd>" in page
    assert kept() == {}
    stranger().post(link)
    assert kept() == {
        "city": "Lyon", "books": 12, "born_on": "1990-05-31", "plan": "pro", "teaches": False,
        "genres": ["poems", "essays"], "pets": ["cat", "dog"],
    }  # fmt: skip
    assert not ServiceMail.objects.filter(details__has_key="answers").exists()


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Type.NUMBER, "many"),
        (Type.DATE, "2024-02-30"),
        (Type.CHOICE, "gold"),
        (Type.YES_NO, "perhaps"),
        (Type.LIST, ["gold"]),
        (Type.TEXT, "a\x00b"),
        (Type.TEXT, "x" * 1001),
    ],
)
def test_it_asks_again_when_an_answer_does_not_fit(news, kind, answer):
    asked("it", kind, choices=["pro", "free"])
    page = stranger().post("/join/", fill(make.wording(news), it=answer)).content.decode()
    assert 'id="id_field-it_error"' in page
    assert Contact.objects.count() == 0


def test_it_asks_and_tells_in_the_language_of_the_reader(news):
    make.wording(news, language="fr")
    asked(
        "genres",
        Type.LIST,
        choices=["Poems", "Plays"],
        translations={
            "fr": {
                "label": "Genres",
                "purpose": "Choisir ce qui vous plaît.",
                "choices": {"Poems": "Poèmes", "Plays": "Pièces"},
            }
        },
    )
    french = stranger(accept_language="fr")
    page = french.get("/join/").content.decode()
    assert "Choisir ce qui vous plaît." in page
    assert "Poèmes" in page
    assert 'value="Poems"' in page
    assert "Poèmes" in french.get("/join/embed/").content.decode()
    french.post("/join/", fill(make.wording(news, language="fr"), genres=["Poems"]))
    [link] = mailed("confirm")
    assert "<dd>Poèmes</dd>" in french.get(link).content.decode()
    french.post(link)
    assert kept() == {"genres": ["Poems"]}
    my_data = f"/preferences/{manage_link(Contact.objects.get())}/data/"
    page = french.get(my_data).content.decode()
    assert "Poèmes" in page
    assert "Choisir ce qui vous plaît" in page
    told = french.get(my_data.rstrip("/") + ".json").json()["contact"]["attributes"]
    assert told[0]["label"] == "Genres"
    assert told[0]["value"] == ["Poems"]


def test_it_takes_no_answer_that_was_not_asked(news):
    make.field("plan")
    stranger().post("/join/", fill(make.wording(news), plan="pro", shoe_size="44"))
    assert "answers" not in ServiceMail.objects.get().details


def test_it_keeps_an_answer_that_depends_on_a_use_of_data_only_with_its_box(news, remember):
    asked("city", basis="consent", topic_key=remember.key)
    page = stranger().get("/join/").content.decode()
    assert 'href="#topic-remember-city"' in page
    assert 'id="topic-remember-city"' in page
    stranger().post("/join/", fill(make.wording(news), city="Lyon"))
    assert "answers" not in ServiceMail.objects.get().details
    ServiceMail.objects.all().delete()
    both = (make.wording(news), make.wording(remember, Channel.DATA))
    stranger().post("/join/", fill(*both, city="Lyon"))
    [link] = mailed("confirm")
    stranger().post(link)
    assert kept() == {"city": "Lyon"}


def test_it_drops_an_answer_whose_use_is_refused_before_it_is_confirmed(news, remember):
    asked("city", basis="consent", topic_key=remember.key)
    asked("plan")
    both = (make.wording(news), make.wording(remember, Channel.DATA))
    stranger().post("/join/", fill(*both, city="Lyon", plan="pro"))
    [link] = mailed("confirm")
    make.withdrawn(Contact.objects.get(), remember, Channel.DATA)
    stranger().post(link)
    assert kept() == {"plan": "pro"}


def test_it_does_not_ask_what_depends_on_a_use_that_is_not_offered(news):
    asked("city", basis="consent", topic_key="nowhere")
    assert "field-city" not in stranger().get("/join/").content.decode()


@pytest.fixture
def bo(news):
    """Said yes, and told where."""
    asked("city")
    bo = make.contact("bo@example.org", attributes={"city": "Lyon"})
    make.granted(bo, news)
    ServiceMail.objects.all().delete()
    return bo


def test_it_lets_a_stranger_change_nothing_about_a_person_who_said_yes(news, bo):
    known = stranger().post("/join/", fill(make.wording(news), city="Nantes"))
    assert kept() == {"city": "Lyon"}
    unknown = stranger().post(
        "/join/", fill(make.wording(news), city="Nantes") | {"email": "new@example.org"}
    )
    assert known.content == unknown.content
    assert bo.permissions.get().state == "granted"


def test_it_asks_the_address_of_a_person_who_said_yes_to_confirm_new_answers(news, bo):
    stranger().post("/join/", fill(make.wording(news), city="Nantes"))
    events = ConsentEvent.objects.count()
    [link] = mailed("confirm")
    assert "Nantes" not in mail.outbox[-1].body
    page = stranger().get(link).content.decode()
    assert "<dd>Nantes</dd>" in page
    assert "Shall we remember this?" in page
    assert kept() == {"city": "Lyon"}
    assert "Thank you, we remember it" in stranger().post(link).content.decode()
    assert kept() == {"city": "Nantes"}
    assert "Nothing was changed" in stranger().post(link).content.decode()
    assert ConsentEvent.objects.count() == events
    assert not ServiceMail.objects.filter(purpose="receipt").exists()


def test_it_writes_to_nobody_about_what_is_known_already(news, bo):
    stranger().post("/join/", fill(make.wording(news), city="Lyon"))
    stranger().post("/join/", fill(make.wording(news)))
    assert not ServiceMail.objects.exists()


def test_it_writes_about_new_answers_within_the_budget_of_the_address(news, bo):
    for city in ("Nantes", "Nice", "Lille"):
        stranger().post("/join/", fill(make.wording(news), city=city))
        mailed("confirm")
    assert len(mail.outbox) == 1
    stranger().post(mailed_link())
    assert kept() == {"city": "Nantes"}


def test_it_asks_for_answers_too_where_a_topic_needs_no_confirmation():
    make.organization()
    open_topic = make.topic(double_opt_in=False)
    asked("city")
    stranger().post("/join/", fill(make.wording(open_topic), city="Lyon"))
    assert kept() == {}
    [link] = mailed("confirm")
    stranger().post(link)
    assert kept() == {"city": "Lyon"}


def mailed_link():
    """The one confirmation link that was mailed so far."""
    [link] = re.findall(r"http://[^/\s]+(/confirm/\S+/)", mail.outbox[0].body)
    return link


def test_it_keeps_nothing_when_the_link_is_pressed_a_second_time(news):
    asked("city")
    stranger().post("/join/", fill(make.wording(news), city="Lyon"))
    [link] = mailed("confirm")
    stranger().post(link)
    contacts.update_contact(contact=Contact.objects.get(), attributes={"city": "Nice"})
    stranger().post(link)
    assert kept() == {"city": "Nice"}


def test_it_drops_an_answer_whose_field_was_changed_meanwhile(news):
    plan = asked("plan", Type.CHOICE, choices=["pro", "free"])
    city = asked("city")
    stranger().post("/join/", fill(make.wording(news), plan="pro", city="Lyon"))
    DataField.objects.filter(pk=plan.pk).update(choices=["free"])
    DataField.objects.filter(pk=city.pk).update(retired_at=timezone.now())
    [link] = mailed("confirm")
    assert stranger().get(link).status_code == 200
    stranger().post(link)
    assert kept() == {}


def test_it_forgets_answers_that_were_never_confirmed_once_the_link_is_over(news):
    asked("city")
    stranger().post("/join/", fill(make.wording(news), city="Lyon"))
    mails = ServiceMail.objects.all()
    expire_permissions()
    assert mails.get().details["answers"] == {"city": "Lyon"}
    mails.update(created_at=timezone.now() - timedelta(days=9))
    expire_permissions()
    assert set(mails.get().details) == {"wordings"}


def test_it_exports_the_answers_that_wait(news):
    asked("city")
    stranger().post("/join/", fill(make.wording(news), city="Lyon"))
    export = rights.export(contact=Contact.objects.get())
    assert export["consent"]["service_mails"][0]["answers_waiting"] == {"city": "Lyon"}


def test_it_adds_later_answers_to_the_mail_that_still_waits(news):
    asked("city")
    asked("plan")
    for answers in ({"city": "Lyon"}, {"plan": "pro"}):
        stranger().post("/join/", fill(make.wording(news), **answers))
    assert ServiceMail.objects.get().details["answers"] == {"city": "Lyon", "plan": "pro"}


def test_it_asks_in_the_form_of_another_site_too(news):
    asked("genres", Type.LIST, choices=["poems", "plays"])
    asked("city", purpose="Invite you to readings nearby")
    page = stranger().get("/join/embed/").content.decode()
    assert "name=&quot;field-city&quot;" in page
    assert "value=&quot;poems&quot;" in page
    assert "Invite you to readings nearby" in page


def test_it_keeps_no_answer_without_its_confirmation_link():
    topic = make.topic()
    asked("city")
    bo = services.request_consent(
        email="bo@example.org",
        wordings=[make.wording(topic)],
        language="en",
        answers={"city": "Lyon"},
    )
    services.confirm(
        contact=bo, wordings=[make.wording(topic)], address=bo.addresses.get(), details={}
    )
    assert kept() == {}
