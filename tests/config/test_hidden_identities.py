"""A name or an address at every door of staff who may not see it: pages, lists, searches, files, the API."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import get_resolver, reverse

from campaigns.models import Campaign, Delivery
from consent import imports, sealing
from consent import services as consent
from consent.models import ConsentEvent, ImportBatch, Suppression
from contacts import exports, rights
from contacts import services as contacts
from contacts.models import Channel, Segment, StaticList, Tag
from tests import make
from tests.config.test_roles import objects_of, patterns

pytestmark = pytest.mark.django_db

# What names Ada, wherever it stands; the domain alone says too little to name anybody.
CANARIES = ("ada.canary", "adacanary", "Zephyrine", "Quillfeather", "698765432", "Canaryville")
TELLING = {
    "view_identity", "export_identities", "view_consentevidence", "view_refusedrow",
    # Free words of and about the person: whoever handles requests reads them.
    "view_subjectrequest", "add_subjectrequest", "change_subjectrequest",
    "view_hold", "add_hold", "change_hold", "view_identityview", "change_identityview",
}  # fmt: skip


@pytest.fixture
def ada(tmp_path, settings):
    """Somebody who left traces everywhere, also where programs and relays write free words."""
    settings.ASSENT_VAR = tmp_path
    make.organization()
    topic = make.topic()
    make.field("city")
    person = make.contact(
        "ada.canary@example.org",
        phone="+33698765432",
        first_name="Zephyrine",
        last_name="Quillfeather",
        attributes={"city": "Canaryville"},
    )
    person.tags.add(Tag.objects.create(name="fair"))
    StaticList.objects.create(name="Guests").contacts.add(person)
    event = make.granted(person, topic)
    make.withdrawn(person, topic, Channel.SMS)
    campaign = make.campaign(topic)
    Delivery.objects.create(
        campaign=campaign,
        contact=person,
        state="bounced",
        event=ConsentEvent.objects.get(pk=event.pk),
        address=person.addresses.get(channel="email"),
        attempt=1,
        diagnostic="550 5.1.1 <a***@e***.org> unknown",
    )
    path = tmp_path / "people.csv"
    path.write_text("email,phone\nada.canary@example.org,+33698765433\nAda.Canary@,\n")
    imports.run(imports.start(path=path))
    ImportBatch.objects.update(failure="line 2: ada.canary@example.org, +33698765432")
    consent.suppress_address(
        channel="email", address="ada.canary@example.org", topic=None, cause=Suppression.Cause.STAFF
    )
    rights.receive(contact=person, kind="access", how="Zephyrine wrote from ada.canary@example.org")
    rights.place_hold(contact=person, reason="Quillfeather ./. Lumen", placer_id=None)
    contacts.note_identity_view(staff_id=None, contact=person, reason="Zephyrine rang")
    Segment.objects.create(
        name="One city", rule={"condition": "field.city", "operator": "is_known"}
    )
    exports.ask(segment=None, reason="An audit", staff_id=None)
    contacts.change_address(contact=person, channel="email", address="ada.canary.new@example.org")
    sealing.seal()
    return person


@pytest.fixture
def insider() -> Client:
    """Staff who may do everything but see who people are."""
    staff = make.staff("insider", superuser=False)
    staff.user_permissions.set(Permission.objects.exclude(codename__in=TELLING))
    client = Client()
    client.force_login(staff)
    return client


def told(answer) -> set[str]:
    """The canaries in an answer, its address and its headers."""
    body = (
        b"".join(answer.streaming_content)
        if getattr(answer, "streaming", False)
        else answer.content
    )
    text = body.decode("utf-8", "replace") + str(dict(answer.headers))
    return {name for name in CANARIES if name.lower() in text.lower()}


def test_it_tells_nobody_on_any_page_of_the_desk(ada, insider):
    found, seen = [], set()
    for route, name in patterns(get_resolver()):
        if not route.startswith("admin/") or "^" in route or name == "logout":
            continue
        for key in objects_of(name) if "object_id>" in route else [0]:
            answer = insider.get("/" + re.sub(r"<\w+:object_id>", str(key), route))
            if answer.status_code == 200:
                seen.add(name)
            found += [(name, key, each) for each in told(answer)]
    assert not found
    assert {"contacts_contact_change", "campaigns_delivery_change"} <= seen
    assert {"consent_importbatch_change", "consent_servicemail_changelist"} <= seen
    assert len(seen) > 60


def test_it_tells_nobody_in_a_preview_as_one_person(ada, insider):
    [campaign] = Campaign.objects.all()
    said = "{{ first_name }} {{ last_name }} of {{ contact.city | default: 'your town' }}"
    campaign.contents.update(subject=said, body=said)
    seen = []
    for view in ("desktop", "phone", "text"):
        asked = {"person": ada.pseudonym, "as": view}
        seen.append(insider.get(f"/admin/campaigns/campaign/{campaign.pk}/preview/", asked))
    written = {"person": ada.pseudonym, "language": "en", "layout": "newsletter"}
    written |= {"markup": "markdown", "subject": said, "body": said}
    seen.append(insider.post(f"/admin/campaigns/campaign/{campaign.pk}/live/", written))
    for answer in seen:
        assert not told(answer)
        assert "your town" in answer.content.decode()


def test_it_tells_nobody_over_the_api(ada, insider):
    campaign, delivery = Delivery.objects.values_list("campaign_id", "pk").get()
    event = ConsentEvent.objects.values_list("pk", flat=True)[0]
    paths = {
        *("contacts/", "topics/", "permissions/", "events/", "campaigns/", "deliveries/"),
        f"contacts/{ada.subject}/", f"deliveries/{delivery}/", f"campaigns/{campaign}/",
        f"campaigns/{campaign}/audience/", f"events/{event}/", f"permissions/?contact={ada.subject}",
        "contacts/?search=ada.canary@example.org&ordering=identity__email",
    }  # fmt: skip
    for path in paths:
        answer = insider.get(f"/api/{path}")
        # What was asked for stands in the address of the next page, and nowhere else.
        assert answer.status_code == 200, path
        assert not told(answer) or "search" in path, path
    taken = insider.patch(
        f"/api/contacts/{make.contact().subject}/",
        {"email": "not ada.canary.new"},
        content_type="application/json",
    )
    assert taken.status_code == 400


@pytest.mark.parametrize("term", ["ada.canary.new@example.org", "Zephyrine"])
def test_it_finds_nobody_by_name_or_address_in_any_search(ada, insider, term):
    """The list is as empty as for a word that stands nowhere."""
    for model, page in admin.site._registry.items():
        if not page.get_search_fields(None) and model._meta.label != "contacts.Contact":
            continue
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for asked in (term, "nowhere at all"):
            answer = insider.get(url, {"q": asked})
            if answer.status_code == 200:
                assert list(answer.context_data["cl"].result_list) == [], model
    for app, name, field in (
        ("contacts", "staticlist", "contacts"),
        ("campaigns", "delivery", "contact"),
    ):
        answer = insider.get(
            reverse("admin:autocomplete"),
            {"term": term, "app_label": app, "model_name": name, "field_name": field},
        )
        assert answer.status_code in {403, 404} or answer.json()["results"] == []
    assert insider.post(reverse("admin:contacts_contact_find"), {"person": term}).status_code == 200


LOOKUPS = [
    ("contacts_contact", "identity__email__startswith"),
    ("contacts_contact", "identity__last_name__gte"),
    ("contacts_contact", "attributes__city__startswith"),
    ("contacts_contact", "addresses__fingerprint__gte"),
    ("campaigns_delivery", "contact__identity__email__startswith"),
    ("campaigns_delivery", "diagnostic__icontains"),
    ("consent_permission", "contact__identity__first_name"),
    ("consent_servicemail", "details__icontains"),
    ("consent_servicemail", "contact__identity__phone__endswith"),
    ("consent_importbatch", "failure__icontains"),
    ("consent_importbatch", "refused_rows__row__icontains"),
    ("consent_suppression", "fingerprint__gte"),
    ("contacts_staticlist", "contacts__identity__email"),
    ("contacts_tag", "contacts__identity__email__startswith"),
    ("auth_user", "password__startswith"),
    ("config_apitoken", "digest__startswith"),
]


def test_it_narrows_no_list_by_what_it_does_not_show(ada, insider):
    for listed, lookup in LOOKUPS:
        url = reverse(f"admin:{listed}_changelist")
        assert insider.get(url, {lookup: "a"}).status_code == 400, lookup


def test_it_orders_no_list_by_what_it_does_not_show(ada, insider):
    make.contact("bo@example.org")
    url = reverse("admin:contacts_contact_changelist")
    orders = set()
    for order in ("", "identity__email", "-identity__email", "1", "-1", "2", "-2", "0.1"):
        rows = insider.get(url, {"o": order}).context_data["cl"].result_list
        orders.add(tuple(row.pk for row in rows))
    assert len(orders) == 1


def test_it_lets_every_list_be_narrowed_by_its_own_filters_alone(rf):
    """So that a list that comes later is closed from its first day."""
    request = rf.get("/")
    request.user = User(is_superuser=True, is_active=True)
    open_ones = set()
    for model, page in admin.site._registry.items():
        shown = {each[0] if isinstance(each, tuple) else each for each in page.list_filter}
        # Of these the filter itself reads what is asked.
        read = {getattr(each, "parameter_name", "") for each in page.list_filter}
        for column in model._meta.concrete_fields:
            if column.name not in shown:
                open_ones |= {
                    f"{model._meta.label}.{column.name}"
                    for lookup in {column.attname, f"{column.name}__startswith"} - read
                    if page.lookup_allowed(lookup, "a", request)
                }
    assert open_ones == {"campaigns.Delivery.reason"}
