"""The page of a person: found by exact address, named only to those who may see names."""

import pytest
from django.contrib.auth.models import Permission as StaffPermission
from django.contrib.auth.models import User
from django.urls import reverse

from contacts import rights, services
from contacts.models import Contact, IdentityView, Segment
from tests import make

pytestmark = pytest.mark.django_db
LIST = reverse("admin:contacts_contact_changelist")


def allowed(client, *permissions: str) -> User:
    """Sign in as staff with exactly these permissions."""
    staff = make.staff("nora", superuser=False)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        staff.user_permissions.add(
            StaffPermission.objects.get(content_type__app_label=app, codename=codename)
        )
    client.force_login(staff)
    return staff


FIND = reverse("admin:contacts_contact_find")
NAMES = reverse("admin:contacts_contact_show_names")


def show_name(client, contact: Contact) -> None:
    page = reverse("admin:contacts_contact_show_name", args=[contact.pk])
    client.post(page, {"reason": "She asked by phone"})


def page_of(contact: Contact) -> str:
    return reverse("admin:contacts_contact_change", args=[contact.pk])


@pytest.fixture
def ada():
    return make.contact("ada@example.org", first_name="Ada", last_name="Lovelace")


PSEUDONYMOUS = ("contacts.view_contact", "consent.view_permission", "campaigns.view_delivery")


@pytest.mark.parametrize("place", ["list", "page"])
def test_it_masks_people_without_view_identity(client, ada, place):
    allowed(client, *PSEUDONYMOUS)
    shown = client.get(LIST if place == "list" else page_of(ada)).content.decode()
    assert ada.pseudonym in shown
    assert "a***@e***.org" in shown
    assert "Lovelace" not in shown
    assert "ada@example.org" not in shown


@pytest.mark.parametrize("place", ["list", "page"])
def test_it_names_the_one_person_whom_staff_gave_a_reason_for(client, ada, place):
    bo = make.contact("bo@example.org", last_name="Diddley")
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    show_name(client, ada)
    shown = client.get(LIST if place == "list" else page_of(ada)).content.decode()
    assert "Lovelace" in shown
    assert "ada@example.org" in shown
    for where in (LIST, page_of(bo)):
        assert "Diddley" not in client.get(where).content.decode()
        assert "bo@example.org" not in client.get(where).content.decode()


@pytest.mark.parametrize("place", ["list", "page"])
def test_it_masks_people_until_a_reason_is_given(client, ada, place):
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    where, ask = {
        "list": (LIST, NAMES),
        "page": (page_of(ada), reverse("admin:contacts_contact_show_name", args=[ada.pk])),
    }[place]
    for reason in ("", "  ", "x"):
        client.post(ask, {"reason": reason})
    client.get(ask, {"reason": "She asked by phone"})
    shown = client.get(where).content.decode()
    assert "ada@example.org" not in shown
    assert ask in shown
    assert not IdentityView.objects.exists()


def test_it_masks_people_again_after_a_quarter_of_an_hour(client, ada):
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    show_name(client, ada)
    grow_old(client, minutes=16)
    assert "ada@example.org" not in client.get(page_of(ada)).content.decode()
    assert IdentityView.objects.count() == 1


def grow_old(client, *, minutes: int) -> None:
    session = client.session
    session["identities"] = {
        key: until - 60 * minutes for key, until in session["identities"].items()
    }
    session.save()


def test_it_notes_whom_staff_saw_and_why_when_the_view_is_opened_and_never_by_looking(client, ada):
    nora = allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    show_name(client, ada)
    for _look in range(2):
        client.get(page_of(ada))
        client.get(LIST)
    seen = IdentityView.objects.values_list("contact", "people", "staff", "reason")
    assert list(seen) == [(ada.pk, 1, nora.pk, "She asked by phone")]


def test_it_names_the_people_on_one_page_of_the_list_and_notes_each(client, ada):
    bo = make.contact("bo@example.org", lifecycle="lead")
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    asked = f"{NAMES}?lifecycle__exact=lead"
    answer = client.post(asked, {"reason": "Looking for the leads of the fair"})
    assert answer.headers["Location"] == f"{LIST}?lifecycle__exact=lead"
    assert list(IdentityView.objects.values_list("contact", flat=True)) == [bo.pk]
    shown = client.get(LIST).content.decode()
    assert "bo@example.org" in shown
    assert "ada@example.org" not in shown


def test_it_takes_no_reason_to_look_at_somebody_who_was_erased(client, ada):
    """There is nothing to see, and what is written about them would stay."""
    rights.erase(contact=ada)
    client.force_login(make.staff())
    ask = reverse("admin:contacts_contact_show_name", args=[ada.pk])
    shown = client.get(page_of(ada)).content.decode()
    assert ask not in shown
    assert "Lifecycle stage" not in shown
    assert client.post(ask, {"reason": "Ada Lovelace rang"}).status_code == 403
    client.post(NAMES, {"reason": "Ada Lovelace rang"})
    assert not IdentityView.objects.exists()


def test_it_asks_nobody_for_a_reason_who_may_not_see_names(client, ada):
    allowed(client, *PSEUDONYMOUS)
    for page in (NAMES, reverse("admin:contacts_contact_show_name", args=[ada.pk])):
        assert client.get(page).status_code == 403
        assert client.post(page, {"reason": "She asked by phone"}).status_code == 403
        assert page not in client.get(LIST).content.decode()
    assert "ada@example.org" not in client.get(page_of(ada)).content.decode()


@pytest.mark.parametrize("term", ["ADA@example.org", " ada@EXAMPLE.org ", "pseudonym", "whole"])
def test_it_finds_one_person_by_exact_address_or_pseudonym(client, ada, term):
    make.contact("adam@example.org")
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    said = {"pseudonym": ada.pseudonym, "whole": str(ada.subject)}.get(term, term)
    assert client.post(FIND, {"person": said}).headers["Location"] == page_of(ada)


@pytest.mark.parametrize("term", ["ada@example.org", "pseudonym", "nobody@example.org"])
def test_it_notes_a_look_when_somebody_is_found_by_their_address(client, ada, term):
    """Staff who know an address learn whose page they read, though it shows no name."""
    staff = allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    client.post(FIND, {"person": ada.pseudonym if term == "pseudonym" else term})
    looks = list(IdentityView.objects.values_list("contact", "staff", "reason"))
    noted = [(ada.pk, staff.pk, "Found by their address or number.")]
    assert looks == (noted if term == "ada@example.org" else [])


def test_it_finds_one_person_by_phone(client):
    ada = make.contact("ada@example.org", phone="+33612345678")
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    assert client.post(FIND, {"person": "+33 6 12 34 56 78"}).headers["Location"] == page_of(ada)


@pytest.mark.parametrize("term", ["12345678", "12345678-9"])
def test_it_takes_digits_alone_for_a_pseudonym(client, ada, term):
    Contact.objects.filter(pk=ada.pk).update(subject="12345678-9abc-4def-8123-456789abcdef")
    ada.refresh_from_db()
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    assert client.post(FIND, {"person": term}).headers["Location"] == page_of(ada)
    assert list(client.get(LIST, {"q": term}).context_data["cl"].result_list) == [ada]


def test_it_asks_for_more_of_a_pseudonym_that_two_people_share(client, ada):
    for contact, end in ((ada, "1"), (make.contact(), "2")):
        subject = f"abcdef12-9abc-4def-8123-45678900000{end}"
        Contact.objects.filter(pk=contact.pk).update(subject=subject)
    allowed(client, *PSEUDONYMOUS)
    shown = client.post(FIND, {"person": "abcdef12"}).content.decode()
    assert "Several pseudonyms begin like this" in shown


@pytest.mark.parametrize("term", ["ada@example.org", "pseudonym"])
def test_it_finds_by_pseudonym_alone_without_view_identity(client, ada, term):
    allowed(client, *PSEUDONYMOUS)
    answer = client.post(FIND, {"person": ada.pseudonym if term == "pseudonym" else term})
    assert answer.headers.get("Location") == (page_of(ada) if term == "pseudonym" else None)


def test_it_keeps_an_address_out_of_the_address_of_a_page(client, ada):
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    found = client.get(LIST, {"q": "ada@example.org"}).context_data["cl"].result_list
    assert list(found) == []


def test_it_tells_an_analyst_of_nobody_at_an_address_about_a_campaign(client, ada):
    campaign = make.campaign(make.topic())
    allowed(client, "campaigns.view_campaign", "campaigns.view_delivery")
    page = reverse("admin:campaigns_campaign_person", args=[campaign.pk])
    assert client.post(page, {"person": "ada@example.org"}).context_data["contact"] is None
    assert client.post(page, {"person": ada.pseudonym}).context_data["contact"] == ada
    assert client.get(page, {"person": ada.pseudonym}).context_data["contact"] is None


@pytest.mark.parametrize("term", ["ada", "@example.org", "Lovelace", "%", "ada@example"])
def test_it_finds_nobody_by_part_of_an_address_or_name(client, ada, term):
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    assert "Nobody is known" in client.post(FIND, {"person": term}).content.decode()


def test_it_pages_along_the_key_without_counting(client, django_assert_max_num_queries):
    people = [make.contact(f"p{number}@example.org") for number in range(120)]
    allowed(client, *PSEUDONYMOUS)
    # Eight, and five for the counts of stages with their time limit.
    with django_assert_max_num_queries(13) as queries:
        first = client.get(LIST)
    assert not any(
        'COUNT(*) AS "__count" FROM "contacts_contact"' in query["sql"] for query in queries
    )
    changes = first.context_data["cl"]
    assert [contact.pk for contact in changes.result_list] == [p.pk for p in people[:-51:-1]]
    second = client.get(LIST + changes.older_url).context_data["cl"]
    assert [contact.pk for contact in second.result_list] == [p.pk for p in people[-51:-101:-1]]
    back = client.get(LIST + second.newer_url).context_data["cl"]
    assert [contact.pk for contact in back.result_list] == [p.pk for p in people[:-51:-1]]
    assert back.newer_url == ""
    last = client.get(LIST + second.older_url).context_data["cl"]
    assert (len(last.result_list), last.older_url) == (20, "")


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, ""])
def test_it_takes_a_broken_cursor_for_none(client, ada, cursor):
    allowed(client, *PSEUDONYMOUS)
    assert client.get(LIST, {"older_than": cursor}).status_code == 200


def test_it_says_for_each_topic_whether_a_message_would_go(client, ada):
    news = make.topic()
    make.granted(ada, news)
    make.topic("author-evenings", public_name="Author evenings")
    allowed(client, *PSEUDONYMOUS)
    shown = client.get(page_of(ada)).content.decode()
    assert "would be sent" in shown
    assert "would not: never said yes to this topic by this channel" in shown


def test_it_shows_no_panel_without_its_permission(client, ada):
    make.granted(ada, make.topic())
    allowed(client, "contacts.view_contact")
    shown = client.get(page_of(ada)).content.decode()
    assert "Permissions" not in shown
    assert "Consent history" not in shown
    assert "Deliveries" not in shown


def test_it_changes_an_address_through_the_service(client, ada):
    allowed(client, "contacts.view_contact", "contacts.change_contact", "contacts.view_identity")
    show_name(client, ada)
    grow_old(client, minutes=20)
    page = client.post(
        page_of(ada),
        {
            "first_name": "Ada", "last_name": "King", "email": "ada@new.example", "phone": "",
            "language": "fr", "timezone": "", "lifecycle": "customer",
        },
    )  # fmt: skip
    assert page.status_code == 302, page.context_data["adminform"].form.errors
    ada.refresh_from_db()
    assert (ada.language, ada.identity.last_name) == ("fr", "King")
    assert services.find_contact(channel="email", address="ada@new.example") == ada
    assert services.find_contact(channel="email", address="ada@example.org") is None


def test_it_leaves_names_alone_without_view_identity(client, ada):
    allowed(client, "contacts.view_contact", "contacts.change_contact")
    page = client.post(
        page_of(ada),
        {"first_name": "Eve", "email": "eve@example.org", "language": "fr", "lifecycle": "lead"},
    )
    assert page.status_code == 302
    ada.refresh_from_db()
    assert (ada.language, ada.identity.first_name) == ("fr", "Ada")
    assert ada.identity.email == "ada@example.org"


def test_it_refuses_an_address_of_somebody_else(client, ada):
    make.contact("bo@example.org")
    allowed(client, "contacts.view_contact", "contacts.change_contact", "contacts.view_identity")
    show_name(client, ada)
    page = client.post(
        page_of(ada), {"email": "bo@example.org", "language": "en", "lifecycle": "lead"}
    )
    assert "Another contact is reached at this address." in page.content.decode()


def test_it_creates_a_contact_who_permits_nothing(client):
    allowed(client, "contacts.view_contact", "contacts.add_contact", "contacts.view_identity")
    page = client.post(
        reverse("admin:contacts_contact_add"),
        {"email": "New@Example.org", "first_name": "New", "language": "en", "lifecycle": "lead"},
    )
    assert page.status_code == 302, page.context_data["adminform"].form.errors
    made = Contact.objects.get()
    assert made.identity.email == "new@example.org"
    assert not made.permissions.exists()


def test_it_never_deletes_a_contact(client, ada):
    client.force_login(make.staff())
    assert client.post(reverse("admin:contacts_contact_delete", args=[ada.pk])).status_code == 403


@pytest.mark.parametrize("page", ["list", "page"])
def test_it_refuses_staff_without_view_contact(client, ada, page):
    allowed(client, "campaigns.view_campaign")
    assert client.get(LIST if page == "list" else page_of(ada)).status_code in {302, 403}


RULE = '{"all": [{"condition": "language", "operator": "is", "value": "fr"}]}'


def test_it_saves_a_segment_and_says_it_in_words(client):
    allowed(client, "contacts.view_segment", "contacts.add_segment")
    page = client.post(reverse("admin:contacts_segment_add"), {"name": "French", "rule": RULE})
    assert page.status_code == 302
    assert Segment.objects.get().rule["all"][0]["value"] == "fr"
    shown = client.get(reverse("admin:contacts_segment_changelist")).content.decode()
    assert "language is French" in shown


@pytest.mark.parametrize(
    "rule", ['{"all": []}', '{"condition": "shoe size", "operator": "is", "value": "43"}', "{"]
)
def test_it_refuses_a_rule_that_cannot_be_asked(client, rule):
    allowed(client, "contacts.view_segment", "contacts.add_segment")
    page = client.post(reverse("admin:contacts_segment_add"), {"name": "Odd", "rule": rule})
    assert page.status_code == 200
    assert page.context_data["errors"]
    assert not Segment.objects.exists()


def test_it_counts_a_rule_while_it_is_built_split_by_permission(client):
    news = make.topic(offers_sms=False)
    make.granted(make.contact(language="fr"), news)
    make.contact(language="fr")
    make.granted(make.contact(language="en"), news)
    allowed(client, "contacts.view_segment")
    answer = client.post(reverse("admin:contacts_segment_count"), {"rule": RULE})
    assert answer.context_data["count"] == 2
    split = answer.context_data["split"]
    assert [(part.words, part.count, part.is_yes) for part in split.parts] == [
        ("", 1, True),
        ("never said yes to this topic by this channel", 1, False),
    ]
    assert not split.is_estimate
    assert "sample" not in answer.context_data
    assert "Language is French" in answer.content.decode()


def test_it_says_what_is_wrong_with_a_rule_while_it_is_built(client):
    allowed(client, "contacts.view_segment")
    count = reverse("admin:contacts_segment_count")
    assert (
        "There is no condition"
        in client.post(count, {"rule": '{"condition": "shoe", "operator": "is"}'}).content.decode()
    )
    assert "cannot be read" in client.post(count, {"rule": "{" * 5000}).content.decode()
    assert client.get(count).status_code == 405


def test_it_counts_nothing_for_staff_without_view_segment(client):
    allowed(client, "contacts.view_contact")
    answer = client.post(reverse("admin:contacts_segment_count"), {"rule": RULE})
    assert answer.status_code == 403


def test_it_notes_the_fields_that_a_saved_segment_asks(client):
    field = make.field("city")
    allowed(client, "contacts.view_segment", "contacts.add_segment")
    rule = '{"condition": "field.city", "operator": "is", "value": "Lyon"}'
    page = client.post(reverse("admin:contacts_segment_add"), {"name": "Lyon", "rule": rule})
    assert page.status_code == 302
    field.refresh_from_db()
    assert field.used_in_segment_at is not None


@pytest.mark.parametrize(
    ("rule", "most"),
    [({}, 10), ({"condition": "language", "operator": "is", "value": "en"}, 15)],
    ids=["everybody", "some"],
)
def test_it_lists_segments_with_no_query_per_row(client, django_assert_max_num_queries, rule, most):
    for number in range(30):
        Segment.objects.create(name=f"Segment {number}", rule=rule)
    client.force_login(make.staff())
    client.get(reverse("admin:contacts_segment_changelist"))
    with django_assert_max_num_queries(most):
        client.get(reverse("admin:contacts_segment_changelist"))


def test_it_speaks_of_one_person_as_of_one(client, ada):
    allowed(client, *PSEUDONYMOUS, "contacts.view_identity")
    assert "Of 1 person on this page" in client.get(NAMES).content.decode()
    french = client.get(NAMES, headers={"accept-language": "fr"}).content.decode()
    assert "Ceux de 1 personne de cette page" in french
    make.contact()
    assert "Of the 2 people on this page" in client.get(NAMES).content.decode()


def test_it_takes_no_time_zone_that_there_is_not(client, ada):
    client.force_login(make.staff())
    typed = {"language": "en", "lifecycle": "lead"}
    page = client.post(page_of(ada), typed | {"timezone": "Paris"}).content.decode()
    assert "they are called like Europe/Paris" in page
    client.post(page_of(ada), typed | {"timezone": "Europe/Paris"})
    ada.refresh_from_db()
    assert ada.timezone == "Europe/Paris"


def test_it_adds_nobody_whom_nothing_can_reach(admin_client):
    url = reverse("admin:contacts_contact_add")
    profile = {"language": "en", "lifecycle": "subscriber"}
    page = admin_client.post(url, profile | {"first_name": "Ada"})
    assert "Give an email address or a phone number." in page.content.decode()
    assert not Contact.objects.exists()
    admin_client.post(url, profile | {"phone": "+33612345678"})
    assert Contact.objects.count() == 1
