"""The list of permissions, whom a topic may not reach and why, and soft opt-in recorded on the desk."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from consent import gate
from consent.models import Basis, ConsentEvent, Kind
from contacts.models import Channel
from tests import make

pytestmark = pytest.mark.django_db

EMAIL = Channel.EMAIL
LAW = "PECR regulation 22(3)"


@pytest.fixture
def operator(client):
    staff = make.staff("olga", superuser=False)
    staff.groups.set([Group.objects.get(name="Operator")])
    client.force_login(staff)
    return client


def facts(contact, topic, **changed):
    return {
        "person": contact.pseudonym,
        "topic": topic.pk,
        "channel": "email",
        "sold_on": "2026-01-05",
        "sale": "Order 4711",
        "products": "A book; this topic is about our books.",
        "collected_by": "Lumen Books",
        "refusal_offered": "Box at the checkout, version 2, and a link in each message",
    } | changed


def record(client, contact, topic, **changed):
    page = client.post(
        reverse("admin:consent_permission_record_basis"), facts(contact, topic, **changed)
    )
    return page.content.decode()


def test_it_lists_permissions_by_pseudonym(admin_client):
    ada = make.contact("ada@example.org")
    make.granted(ada, make.topic())
    page = admin_client.get(reverse("admin:consent_permission_changelist")).content.decode()
    assert ada.pseudonym in page
    assert "ada@example.org" not in page


def test_it_says_how_many_may_not_be_mailed_and_why(admin_client):
    topic = make.topic()
    make.granted(make.contact(), topic)
    make.contact()
    cy = make.contact()
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    url = reverse("admin:consent_permission_unmailable")
    page = admin_client.get(url).content.decode()
    assert "2 people you may not mail" in page
    assert "1 person you may mail on this topic." in page
    assert "Never said yes to this topic by this channel" in page
    sms = admin_client.get(f"{url}?topic={topic.key}&channel=sms").content.decode()
    assert "3 people you may not mail" in sms


@pytest.mark.parametrize(
    "query", ["?topic=unknown&channel=email", "?topic=&channel=x", "?topic=%00"]
)
def test_it_reports_nothing_on_a_topic_it_does_not_know(admin_client, query):
    make.topic()
    page = admin_client.get(reverse("admin:consent_permission_unmailable") + query)
    assert page.status_code == 200
    assert "you may not mail</h2>" not in page.content.decode()


def test_it_says_so_when_there_is_no_topic_to_report_on(admin_client):
    page = admin_client.get(reverse("admin:consent_permission_unmailable")).content.decode()
    assert "There is no published topic yet." in page


def test_it_records_soft_opt_in_with_every_fact(operator, settings):
    settings.SOFT_OPT_IN_REASON = LAW
    bo, topic = make.contact(), make.topic()
    assert LAW in operator.get(reverse("admin:consent_permission_record_basis")).content.decode()
    record(operator, bo, topic)
    event = ConsentEvent.objects.get(kind=Kind.BASIS_RECORDED)
    assert (event.basis, event.subject) == (Basis.SOFT_OPT_IN, bo.subject)
    assert event.actor.startswith("staff-")
    assert event.evidence.details["sale"] == "Order 4711"
    assert event.evidence.details["reason"] == LAW
    assert gate.explain(contact=bo, topic=topic, channel=EMAIL).is_allowed


def test_it_records_no_other_basis_when_it_is_switched_off(operator):
    said = record(operator, make.contact(), make.topic())
    assert "Soft opt-in is switched off in this installation." in said
    assert not ConsentEvent.objects.exists()


@pytest.mark.parametrize("fact", ["sale", "products", "collected_by", "refusal_offered", "sold_on"])
def test_it_records_nothing_when_a_fact_is_missing(operator, settings, fact):
    settings.SOFT_OPT_IN_REASON = LAW
    assert "This field is required." in record(operator, make.contact(), make.topic(), **{fact: ""})
    assert not ConsentEvent.objects.exists()


def test_it_takes_no_sale_that_is_still_to_come(operator, settings):
    settings.SOFT_OPT_IN_REASON = LAW
    later = f"{timezone.now() + timedelta(days=2):%Y-%m-%d}"
    said = record(operator, make.contact(), make.topic(), sold_on=later)
    assert "still to come" in said
    assert not ConsentEvent.objects.exists()


def test_it_never_goes_from_a_no_to_another_basis(operator, settings):
    settings.SOFT_OPT_IN_REASON = LAW
    cy, topic = make.contact(), make.topic()
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    assert "only their own yes counts" in record(operator, cy, topic)
    assert not ConsentEvent.objects.filter(kind=Kind.BASIS_RECORDED).exists()
    assert gate.explain(contact=cy, topic=topic, channel=EMAIL).reason == "withdrawn"


def test_it_lets_nobody_record_a_basis_without_the_right(client, settings):
    settings.SOFT_OPT_IN_REASON = LAW
    staff = make.staff("nora", superuser=False)
    staff.groups.set([Group.objects.get(name="Marketer")])
    client.force_login(staff)
    record(client, make.contact(), make.topic())
    assert not ConsentEvent.objects.exists()


def test_it_offers_no_other_basis_when_it_is_switched_off(admin_client, settings):
    url = reverse("admin:consent_permission_changelist")
    form = reverse("admin:consent_permission_record_basis")
    settings.SOFT_OPT_IN_REASON = ""
    assert form not in admin_client.get(url).content.decode()
    settings.SOFT_OPT_IN_REASON = LAW
    assert form in admin_client.get(url).content.decode()
