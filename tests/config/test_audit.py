"""The audit trail: written by the database, added to only, and true about who and from where."""

import html
import re

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from campaigns.models import Campaign
from config import trail, watch
from config.access import tokens
from config.models import AuditEntry
from consent.models.ledger import AppendOnlyError
from contacts.models import IdentityView
from tests import make

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"


@pytest.fixture
def olga(client: Client) -> User:
    olga = make.staff("olga")
    client.force_login(olga)
    return olga


def entries(**fields):
    return AuditEntry.objects.filter(**fields).order_by("pk")


def test_it_names_who_scheduled_a_campaign_and_from_where(client, olga):
    make.organization()
    campaign = make.campaign(make.topic())
    page = reverse("admin:campaigns_campaign_cancel", args=[campaign.pk])
    Campaign.objects.update(state="scheduled", send_at=make.LONG_AGO)
    client.post(page, REMOTE_ADDR="203.0.113.9")
    entry = entries(object_type="campaigns.campaign").get()
    assert (entry.staff, entry.action, entry.object_id) == (olga, "changed", str(campaign.pk))
    assert entry.details["state"] == ["scheduled", "cancelled"]
    assert entry.door == "admin:campaigns_campaign_cancel"
    assert entry.address == "203.0.113.9"


def test_it_believes_no_header_that_anybody_can_write(client, olga, settings):
    forged = {"HTTP_X_FORWARDED_FOR": "6.6.6.6, 203.0.113.7", "REMOTE_ADDR": "10.0.0.1"}
    for proxies, seen in (0, "10.0.0.1"), (1, "203.0.113.7"), (3, "10.0.0.1"):
        settings.TRUSTED_PROXIES = proxies
        answer = client.post(
            reverse("admin:contacts_tag_add"), {"name": f"tag-{proxies}"}, **forged
        )
        assert answer.status_code == 302, answer.context["errors"]
        assert entries(object_type="contacts.tag").last().address == seen


def test_it_keeps_no_personal_value(client, olga):
    contact = make.contact("ada@example.org", first_name="Ada")
    page = reverse("admin:contacts_contact_change", args=[contact.pk])
    form = {"first_name": "Adele", "last_name": "", "email": "adele@example.org", "phone": ""}
    client.post(page, form | {"language": "en", "timezone": "UTC", "lifecycle": contact.lifecycle})
    contact.identity.refresh_from_db()
    changed = entries(object_type="contacts.contact", object_id=str(contact.pk), part="identity")
    if contact.identity.first_name == "Adele":
        assert changed.exists()
    kept = str(list(entries().values_list("details", flat=True)))
    assert "Ade" not in kept
    assert "adele" not in kept


def test_it_names_the_columns_of_an_identity_that_staff_changed(client, olga):
    contact = make.contact("ada@example.org", first_name="Ada")
    client.patch(
        f"/api/contacts/{contact.subject}/",
        {"first_name": "Adele"},
        content_type="application/json",
    )
    entry = entries(part="identity").get()
    assert entry.details == {"first_name": None}
    assert (entry.object_id, entry.staff) == (str(contact.pk), olga)


def test_it_tells_the_acts_of_a_token(olga):
    contact = make.contact("ada@example.org")
    _token, secret = tokens.make(
        owner=olga, purpose="CRM", scopes=["contacts.view_contact", "contacts.change_contact"]
    )
    Client(headers={"Authorization": f"Token {secret}"}).patch(
        f"/api/contacts/{contact.subject}/", {"language": "fr"}, content_type="application/json"
    )
    entry = entries(object_type="contacts.contact").get()
    assert (entry.staff, entry.door) == (olga, "api:contact-detail")
    assert entry.details == {"language": ["en", "fr"]}


def test_it_says_what_a_token_is_for_when_it_is_shown_people_in_clear(olga):
    ada = make.contact("ada@example.org")
    make.contact("bo@example.org")
    token, secret = tokens.make(
        owner=olga, purpose="CRM", scopes=["contacts.view_contact", tokens.IDENTITIES]
    )
    program = Client(headers={"Authorization": f"Token {secret}"})
    program.get("/api/contacts/")
    program.get(f"/api/contacts/{ada.subject}/")
    program.post("/api/contacts/find/", {"email": "ada@example.org"})
    program.post("/api/contacts/find/", {"email": "nobody@example.org"})
    looks = entries(action="viewed").order_by("pk")
    assert [(entry.door, entry.object_id, entry.details["people"]) for entry in looks] == [
        ("api:contact-list", "", 2),
        ("api:contact-detail", str(ada.subject), 1),
        ("api:contact-find", str(ada.subject), 1),
    ]
    assert looks[0].details == {"token": token.pk, "purpose": "CRM", "people": 2}


def test_it_leaves_the_next_request_to_nobody(client, olga):
    client.post(reverse("admin:contacts_tag_add"), {"name": "fair"})
    before = entries().count()
    make.contact("ada@example.org")
    make.topic("other-news")
    assert entries().count() == before


def test_it_tells_changes_of_access_although_nobody_is_signed_in():
    clerk = make.staff("clerk", superuser=False)
    clerk.groups.add(Group.objects.get(name="Privacy officer"))
    clerk.is_superuser = True
    clerk.save(update_fields=["is_superuser"])
    told = entries(object_id=str(clerk.pk), object_type="auth.user")
    assert list(told.exclude(part="email").values_list("action", "part", "staff")) == [
        ("added", "", None),
        ("added", "role", None),
        ("changed", "", None),
    ]
    assert told.last().details == {"is_superuser": [False, True]}


def test_it_tells_a_new_password_and_a_second_factor_without_their_values(client, olga):
    new = "another long password"
    client.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )
    TOTP.activate(olga, generate_totp_secret())
    changed = entries(object_type="auth.user", object_id=str(olga.pk))
    assert {"password": None} in changed.values_list("details", flat=True)
    assert changed.get(part="second factor").details["type"] == [None, "totp"]


def test_it_tells_sign_ins_failures_and_sign_outs(olga):
    visitor = Client(REMOTE_ADDR="198.51.100.4")
    visitor.post("/account/login/", {"login": "olga", "password": "wrong"})
    visitor.post("/account/login/", {"login": "my passw0rd by mistake", "password": "wrong"})
    visitor.post("/account/login/", {"login": "olga", "password": PASSWORD})
    visitor.post("/account/logout/")
    told = entries(address="198.51.100.4")
    assert list(told.values_list("action", "object_id", "staff")) == [
        ("sign_in_failed", str(olga.pk), None),
        ("sign_in_failed", "", None),
        ("signed_in", str(olga.pk), olga.pk),
        ("signed_out", str(olga.pk), olga.pk),
    ]


def test_it_tells_wrong_codes(olga):
    TOTP.activate(olga, generate_totp_secret())
    visitor = Client()
    visitor.post("/account/login/", {"login": "olga", "password": PASSWORD})
    visitor.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert entries(action="sign_in_failed", part="second factor").get().object_id == str(olga.pk)


def test_it_links_a_view_of_identities_whose_reason_stands_beside_it(client, olga):
    contact = make.contact("ada@example.org")
    request = RequestFactory().post("/")
    request.resolver_match = None
    trail.attribute(request, olga)
    view = IdentityView.objects.create(contact=contact, staff=olga, reason="She asked by phone")
    trail.end(request)
    entry = entries(object_type="contacts.identityview").get()
    assert (entry.action, entry.object_id) == ("viewed", str(view.pk))
    assert "phone" not in str(entry.details)


def test_it_tells_nothing_when_nothing_was_changed(client, olga):
    campaign = make.campaign(make.topic())
    client.raise_request_exception = False
    client.post(reverse("admin:campaigns_campaign_cancel", args=[campaign.pk]))
    assert not entries(object_type="campaigns.campaign", object_id=str(campaign.pk)).exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE config_auditentry SET staff_id = 1",
        "DELETE FROM config_auditentry",
        "TRUNCATE config_auditentry",
    ],
)
def test_it_cannot_be_changed_by_sql(olga, sql):
    assert entries().exists()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_it_cannot_be_changed_by_the_application(olga):
    with pytest.raises(AppendOnlyError):
        AuditEntry.objects.update(action="viewed")
    with pytest.raises(AppendOnlyError):
        AuditEntry.objects.all().delete()


@pytest.fixture
def told(client, olga):
    """What the pages of the trail say, in a language, without their markup."""

    def read(language: str, **fields) -> str:
        [entry] = entries(**fields)
        page = reverse("admin:config_auditentry_changelist")
        one = reverse("admin:config_auditentry_change", args=[entry.pk])
        asked = {"object_type": entry.object_type, "object_id": entry.object_id}
        client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        pages = (client.get(page, asked), client.get(one))
        said = [
            strip_tags(html.unescape(each.content.decode()).split("<main")[-1]) for each in pages
        ]
        return " ".join(" ".join(said).split())

    return read


def test_it_says_what_changed_by_labels_and_words(client, olga, told):
    make.organization()
    campaign = make.campaign(make.topic(), name="Letter of May")
    page = reverse("admin:campaigns_campaign_cancel", args=[campaign.pk])
    Campaign.objects.update(state="scheduled", send_at=make.LONG_AGO)
    client.post(page)
    english = told("en", object_type="campaigns.campaign")
    assert f"Campaign Letter of May (#{campaign.pk})" in english
    assert "State: scheduled → cancelled" in english
    assert "desk (campaigns_campaign_cancel)" in english
    french = told("fr", object_type="campaigns.campaign")
    assert f"Campagne Letter of May (#{campaign.pk})" in french
    assert "État : programmée → annulée" in french


def test_it_names_what_columns_refer_to_and_says_moments_and_yes_and_no(client, olga, told):
    clerk = make.staff("clerk", superuser=False)
    clerk.groups.add(Group.objects.get(name="Privacy officer"))
    assert f"clerk (#{clerk.pk}) · role" in told("en", object_id=str(clerk.pk), part="role")
    assert "Role: Privacy officer" in told("en", object_id=str(clerk.pk), part="role")
    User.objects.filter(pk=clerk.pk).update(is_superuser=True)
    changed = {"object_id": str(clerk.pk), "action": "changed"}
    assert "Superuser: No → Yes" in told("en", **changed)
    assert "Superutilisateur : Non → Oui" in told("fr", **changed)
    ada = make.contact()
    client.post(
        reverse("admin:contacts_hold_add"),
        {"person": str(ada.subject), "reason": "A claim in court"},
    )
    placed = told("en", object_type="contacts.hold")
    assert f"Contact: {ada.pseudonym}" in placed
    assert re.search(r"Placed: \d+ \w+ \d{4}, \d\d:\d\d", placed)


def test_it_reads_a_page_of_the_trail_with_as_many_queries_as_an_entry(client, olga):
    page = reverse("admin:config_auditentry_changelist")

    def queries(people: int) -> int:
        for _ in range(people):
            make.staff(f"clerk{User.objects.count()}").groups.set(Group.objects.all())
        with CaptureQueriesContext(connection) as captured:
            assert client.get(page).status_code == 200
        return len(captured)

    assert queries(1) == queries(5)


def test_it_watches_every_table_once():
    with CaptureQueriesContext(connection) as queries:
        watch.hold()
    assert not [query["sql"] for query in queries if query["sql"].startswith("CREATE")]


def test_it_holds_a_table_again_when_its_trigger_was_dropped():
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER assent_audit ON auth_user")
    watch.hold()
    make.staff("new")
    assert entries(object_type="auth.user", part="").exists()
