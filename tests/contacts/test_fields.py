"""Registered fields: the only attributes there are, in their form, for as long as there is a reason."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from consent import imports, tasks
from consent import rights as restriction
from consent import services as consent
from consent.models import Permission, Topic
from contacts import fields, processing, retention, rights
from contacts import services as contacts
from contacts.holders import Cause
from contacts.models import Contact, DataField, Segment
from tests import make

pytestmark = pytest.mark.django_db

Type = DataField.Type


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (Type.TEXT, "  Lyon ", "Lyon"),
        (Type.NUMBER, "44", 44),
        (Type.NUMBER, "1 234,5", 1234.5),
        (Type.NUMBER, "1,234.5", 1234.5),
        (Type.NUMBER, 2.0, 2),
        (Type.DATE, "2024-05-31", "2024-05-31"),
        (Type.DATE, "31.05.2024", "2024-05-31"),
        (Type.CHOICE, "pro", "pro"),
        (Type.YES_NO, "Oui", True),
        (Type.YES_NO, "0", False),
        (Type.LIST, "pro; free;pro", ["pro", "free"]),
        (Type.LIST, '["pro"]', ["pro"]),
        (Type.LIST, ["free"], ["free"]),
    ],
)
def test_it_keeps_values_in_one_form(kind, given, kept):
    field = make.field("it", kind, choices=["pro", "free"])
    assert fields.clean(field, given) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Type.TEXT, "x" * 1001),
        (Type.TEXT, 5),
        (Type.TEXT, "a\x00b"),
        (Type.NUMBER, "NaN"),
        (Type.NUMBER, "many"),
        (Type.NUMBER, True),
        (Type.DATE, "2024-02-30"),
        (Type.DATE, 5),
        (Type.CHOICE, "gold"),
        (Type.CHOICE, ["pro"]),
        (Type.YES_NO, "perhaps"),
        (Type.LIST, "gold"),
        (Type.LIST, {"pro": 1}),
        (Type.LIST, [1]),
    ],
)
def test_it_refuses_what_does_not_fit(kind, given):
    field = make.field("it", kind, choices=["pro", "free"])
    with pytest.raises(fields.FieldError, match="does not fit the field “It”"):
        fields.clean(field, given)


def test_it_refuses_attributes_that_are_not_registered():
    with pytest.raises(fields.FieldNotRegistered, match="shoe_size"):
        make.contact(attributes={"shoe_size": 44})
    ada = make.contact()
    with pytest.raises(fields.FieldNotRegistered):
        contacts.update_contact(contact=ada, attributes={"shoe_size": 44})
    make.field("city")
    contacts.update_contact(contact=ada, attributes={"city": "Lyon"})
    assert ada.attributes == {"city": "Lyon"}
    contacts.update_contact(contact=ada, attributes={"city": None})
    assert ada.attributes == {}


@pytest.mark.parametrize(
    "missing",
    [
        {"justification": "We want it."},
        {"purpose": ""},
        {"owner": ""},
        {"retention_days": 0},
        {"basis": "consent"},
        {"key": "Shoe size"},
        {"kind": "shoe"},
        {"kind": "choice"},
    ],
)
def test_it_registers_no_field_without_its_case(missing):
    with pytest.raises(IntegrityError):
        make.field(**{"key": "shoe_size"} | missing)


def test_it_tells_templates_what_they_may_say():
    make.field("city")
    make.field("old", retired_at=timezone.now())
    assert fields.template_names() == {"first_name", "last_name", "city"}


def test_it_keeps_a_value_only_while_its_use_is_permitted():
    use = make.topic("remember-city", use=Topic.Use.DATA, offers_email=False, offers_sms=False)
    make.field("city", basis=DataField.Basis.CONSENT, topic_key=use.key)
    ada = make.contact()
    with pytest.raises(contacts.UseNotPermitted):
        contacts.update_contact(contact=ada, attributes={"city": "Lyon"})
    with pytest.raises(contacts.UseNotPermitted):
        make.contact(attributes={"city": "Lyon"})
    words = make.wording(use, "data")
    consent.confirm(contact=ada, wordings=[words], address=ada.addresses.get(), details={})
    contacts.update_contact(contact=ada, attributes={"city": "Lyon"})
    assert retention.erase_expired() == []
    make.withdrawn(ada, use, "data")
    ada.refresh_from_db()
    assert ada.attributes == {}


@pytest.fixture
def remembered():
    """Somebody who permits that their city is remembered, and is a customer anyway."""
    use = make.topic("remember-city", use=Topic.Use.DATA, offers_email=False, offers_sms=False)
    make.field("city", basis=DataField.Basis.CONSENT, topic_key=use.key)
    make.field("plan")
    ada = make.contact(attributes={"plan": "pro"})
    consent.confirm(
        contact=ada, wordings=[make.wording(use, "data")], address=ada.addresses.get(), details={}
    )
    return contacts.update_contact(contact=ada, attributes={"city": "Lyon"})


def test_it_takes_a_value_once_the_permission_ran_out(remembered):
    assert retention.erase_expired() == []
    Permission.objects.filter(channel="data").update(valid_until=timezone.now())
    found = [retention.Finding("city", Cause.NOT_PERMITTED, 1)]
    assert retention.erase_expired(dry_run=True) == found
    remembered.refresh_from_db()
    assert remembered.attributes == {"city": "Lyon", "plan": "pro"}
    assert retention.erase_expired() == found
    remembered.refresh_from_db()
    assert remembered.attributes == {"plan": "pro"}


def test_it_takes_a_value_when_its_use_was_retired(remembered):
    use = Topic.objects.get(key="remember-city")
    consent.retire_topic(topic=use)
    found = [retention.Finding("city", Cause.NOT_PERMITTED, 1)]
    assert retention.erase_expired(dry_run=True) == found
    with pytest.raises(contacts.UseNotPermitted):
        contacts.update_contact(contact=remembered, attributes={"city": "Paris"})
    consent.publish_topic(topic=use)
    assert retention.erase_expired() == []
    consent.retire_topic(topic=use)
    assert retention.erase_expired() == found
    remembered.refresh_from_db()
    assert remembered.attributes == {"plan": "pro"}


def test_it_imports_no_value_whose_use_was_retired(remembered, tmp_path):
    consent.retire_topic(topic=Topic.objects.get(key="remember-city"))
    path = tmp_path / "people.csv"
    path.write_text(f"email,city\n{remembered.identity.email},Paris\n")
    Contact.objects.filter(pk=remembered.pk).update(attributes={"plan": "pro"})
    imports.run(imports.start(path=path))
    remembered.refresh_from_db()
    assert remembered.attributes == {"plan": "pro"}


@pytest.mark.parametrize("way", ["a withdrawal", "an objection", "an import"])
def test_it_takes_a_value_at_once_when_its_use_is_taken_back(remembered, way, tmp_path):
    news = make.topic()
    make.granted(remembered, news)
    make.withdrawn(remembered, news)
    remembered.refresh_from_db()
    assert remembered.attributes == {"city": "Lyon", "plan": "pro"}
    if way == "a withdrawal":
        make.withdrawn(remembered, Topic.objects.get(key="remember-city"), "data")
    elif way == "an objection":
        consent.object_to_everything(contact=remembered, method="preferences")
    else:
        path = tmp_path / "people.csv"
        path.write_text(
            "email,status,topic,channel\n"
            f"{remembered.identity.email},unsubscribed,remember-city,data\n"
        )
        imports.run(imports.start(path=path))
        tasks.end_uses()
    remembered.refresh_from_db()
    assert remembered.attributes == {"plan": "pro"}


def test_it_keeps_what_a_hold_keeps_when_its_use_is_taken_back(remembered):
    rights.place_hold(contact=remembered, reason="A claim in court", placer_id=None)
    make.withdrawn(remembered, Topic.objects.get(key="remember-city"), "data")
    remembered.refresh_from_db()
    assert remembered.attributes == {"city": "Lyon", "plan": "pro"}


def test_it_erases_values_that_expired_or_lost_their_field(capsys):
    make.field("city", retention_days=30)
    make.field("plan")
    old, new = (make.contact(attributes={"city": "Lyon", "plan": "pro"}) for _ in range(2))
    Contact.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=31))
    DataField.objects.filter(key="plan").update(retired_at=timezone.now())
    call_command("erase_expired", "--dry-run")
    assert "Nothing was erased" in capsys.readouterr().out
    call_command("erase_expired")
    for contact in (old, new):
        contact.refresh_from_db()
    assert (old.attributes, new.attributes) == ({}, {"city": "Lyon"})


@pytest.mark.parametrize("kept_by", ["a hold", "a restriction"])
def test_it_takes_no_value_when_the_law_has_it_kept(kept_by):
    make.field("city", retention_days=30)
    make.field("plan")
    ada, bo = (make.contact(attributes={"city": "Lyon", "plan": "pro"}) for _ in range(2))
    Contact.objects.update(created_at=timezone.now() - timedelta(days=31))
    DataField.objects.filter(key="plan").update(retired_at=timezone.now())
    if kept_by == "a hold":
        hold = rights.place_hold(contact=ada, reason="A claim in court", placer_id=None)
    else:
        restriction.restrict(contact=ada)
    found = retention.erase_expired(dry_run=True)
    assert [finding.people for finding in found] == [1, 1]
    assert retention.erase_expired() == found
    for contact in (ada, bo):
        contact.refresh_from_db()
    assert (ada.attributes, bo.attributes) == ({"city": "Lyon", "plan": "pro"}, {})
    if kept_by == "a hold":
        rights.lift_hold(hold=hold)
    else:
        restriction.lift_restriction(contact=ada)
    assert retention.erase_expired() == found


def test_it_flags_fields_that_nothing_uses(client):
    make.field("city")
    make.field("plan")
    make.field("new")
    DataField.objects.filter(key__in=["city", "plan"]).update(
        created_at=timezone.now() - timedelta(days=400)
    )
    Segment.objects.create(
        name="Lyon", rule={"condition": "field.city", "operator": "is", "value": "Lyon"}
    )
    assert [field.key for field in fields.unused()] == ["plan"]
    client.force_login(make.staff())
    shown = client.get(reverse("admin:contacts_datafield_changelist")).content.decode()
    assert shown.count("unused for a year") == 1
    fields.note_use_in_template(["plan"])
    assert fields.unused() == []


@pytest.mark.parametrize("use", ["asked at sign-up", "written by an import"])
def test_it_takes_a_question_at_sign_up_and_an_import_for_use(use):
    make.field("plan", is_asked_at_sign_up=use == "asked at sign-up")
    make.field("city")
    long_ago = timezone.now() - timedelta(days=400)
    DataField.objects.update(created_at=long_ago, used_in_import_at=long_ago)
    if use == "written by an import":
        fields.note_use_in_import(["plan"])
    assert [field.key for field in fields.unused()] == ["city"]


def test_it_generates_the_record_of_processing(capsys):
    make.field("city")
    rows = processing.record()
    assert rows[-1]["category"] == "City"
    assert all(set(row) == set(processing.COLUMNS) for row in rows)
    call_command("article_30", "--format", "json")
    assert json.loads(capsys.readouterr().out)["processing"] == rows
    call_command("article_30")
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == len(rows)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2024-03-01", "2024-03-01"),
        ("2024-03-01T10:20:30Z", "2024-03-01"),
        ("1/3/2024 10:20", "2024-03-01"),
        ("2024-03-01xyz", None),
        ("2024-03-0112", None),
        ("2024-03-01 or so", None),
    ],
)
def test_it_takes_a_day_with_or_without_an_hour_and_nothing_else(said, day):
    born = make.field("born", DataField.Type.DATE)
    if day:
        assert fields.clean(born, said) == day
    else:
        with pytest.raises(fields.FieldError):
            fields.clean(born, said)
