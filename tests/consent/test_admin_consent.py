"""Topics, words, the ledger and suppressions in the admin: what it does, and what nobody can do."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission as StaffPermission
from django.contrib.auth.models import User
from django.db import ProgrammingError, transaction
from django.urls import reverse

from consent import services as consent
from consent.admin import as_of
from consent.models import (
    ConsentEvent,
    ConsentEvidence,
    ImportBatch,
    Organization,
    RefusedRow,
    Suppression,
    Topic,
    Wording,
)
from contacts import services as contacts
from contacts.models import Segment
from tests import make

pytestmark = pytest.mark.django_db


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


def at(model: str, name: str = "changelist", *args: int) -> str:
    return reverse(f"admin:consent_{model}_{name}", args=args)


TOPIC_FORM = {
    "public_name": "Author evenings", "key": "author-evenings", "use": "message",
    "description": "Evenings in our shop.", "frequency": "Twice a month", "offers_email": "on",
    "double_opt_in": "on", "is_public": "on", "position": "0",
    "public_name_fr": "Soirées", "description_fr": "Soirées dans notre librairie.",
    "frequency_fr": "", "wordings-TOTAL_FORMS": "0", "wordings-INITIAL_FORMS": "0",
}  # fmt: skip


def test_it_drafts_and_publishes_a_topic_with_its_translation(client):
    allowed(
        client,
        "consent.view_topic",
        "consent.add_topic",
        "consent.change_topic",
        "consent.publish_topic",
    )
    page = client.post(at("topic", "add"), TOPIC_FORM)
    assert page.status_code == 302, page.context_data["errors"]
    topic = Topic.objects.get(key="author-evenings")
    assert topic.status == Topic.Status.DRAFT
    assert topic.translations == {
        "fr": {"public_name": "Soirées", "description": "Soirées dans notre librairie."}
    }
    publish = at("topic", "publish", topic.pk)
    client.get(publish)
    topic.refresh_from_db()
    assert topic.status == Topic.Status.DRAFT
    client.post(publish)
    topic.refresh_from_db()
    assert topic.status == Topic.Status.PUBLISHED


def test_only_the_draft_of_a_use_of_data_can_be_made_to_permit_measurement(client):
    client.force_login(make.staff())
    refused = client.post(at("topic", "add"), TOPIC_FORM | {"covers_measurement": "on"})
    assert "Only a use of data can permit measurement" in refused.content.decode()
    form = {name: value for name, value in TOPIC_FORM.items() if not name.startswith("offers_")} | {
        "use": "data"
    }
    client.post(at("topic", "add"), form)
    topic = Topic.objects.get(key="author-evenings")
    change = at("topic", "change", topic.pk)
    client.post(change, form | {"covers_measurement": "on"})
    topic.refresh_from_db()
    assert topic.covers_measurement
    client.post(at("topic", "publish", topic.pk))
    page = client.post(change, form | {"description": "Evenings, counted."})
    assert page.status_code == 302
    topic.refresh_from_db()
    assert topic.description == "Evenings, counted."
    assert topic.covers_measurement
    assert 'name="covers_measurement"' not in client.get(change).content.decode()


@pytest.mark.parametrize("column", [{"key": "other"}, {"use": "data"}])
def test_a_topic_keeps_its_key_and_what_it_is_used_for(column):
    topic = make.topic(offers_email=False, offers_sms=False)
    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        Topic.objects.filter(pk=topic.pk).update(**column)


def test_it_says_what_is_missing_before_a_topic_is_published(client):
    topic = make.topic(status=Topic.Status.DRAFT, frequency="")
    client.force_login(make.staff())
    page = client.post(at("topic", "publish", topic.pk))
    assert "Still missing" in page.content.decode()
    topic.refresh_from_db()
    assert topic.status == Topic.Status.DRAFT


def test_it_retires_a_topic(client):
    topic = make.topic()
    client.force_login(make.staff())
    client.post(at("topic", "retire", topic.pk))
    topic.refresh_from_db()
    assert topic.status == Topic.Status.RETIRED


def test_it_says_what_ends_with_a_use_of_data_before_it_is_retired(
    client, django_assert_max_num_queries
):
    use = make.topic(
        "remember",
        use=Topic.Use.DATA,
        offers_email=False,
        offers_sms=False,
        covers_measurement=True,
    )
    for key in ("city", "taste"):
        make.field(key, basis="consent", topic_key=use.key)
    ada = make.contact()
    consent.confirm(
        contact=ada, wordings=[make.wording(use, "data")], address=ada.addresses.get(), details={}
    )
    contacts.update_contact(contact=ada, attributes={"city": "Lyon"})
    rule = {"condition": "permission.remember.data", "operator": "has"}
    asking = Segment.objects.create(name="Who lets us remember", rule={"any": [rule]})
    Segment.objects.create(name="French speakers", rule={})
    client.force_login(make.staff())
    with django_assert_max_num_queries(16):
        page = client.get(at("topic", "retire", use.pk)).content.decode()
    assert "This use of data ends" in page
    assert re.search(r"City\s*<span[^>]*>of 1 person<", page)
    assert re.search(r"Taste\s*<span[^>]*>of 0 people<", page)
    assert "What people opened and clicked" in page
    assert asking.name in page
    assert "French speakers" not in page
    assert (
        "This use of data ends"
        not in client.get(at("topic", "retire", make.topic().pk)).content.decode()
    )


def test_it_lets_those_who_may_only_look_change_no_topic(client):
    topic = make.topic()
    allowed(client, "consent.view_topic")
    assert client.get(at("topic", "change", topic.pk)).status_code == 200
    for page in (at("topic", "retire", topic.pk), at("topic", "change", topic.pk)):
        assert client.post(page, TOPIC_FORM).status_code == 403
    assert (
        at("topic", "retire", topic.pk)
        not in client.get(at("topic", "change", topic.pk)).content.decode()
    )


def test_it_drafts_words_with_the_next_version_and_publishes_them_for_ever(client):
    topic = make.topic()
    make.wording(topic)
    staff = allowed(
        client,
        "consent.view_wording",
        "consent.add_wording",
        "consent.change_wording",
        "consent.publish_wording",
    )
    words = {
        "topic": topic.pk, "channel": "email", "language": "en", "valid_for": "730",
        "text": "Yes, write to me about new books once a month.",
    }  # fmt: skip
    assert client.post(at("wording", "add"), words).status_code == 302
    draft = Wording.objects.get(published_at=None)
    assert (draft.version, draft.author, draft.valid_for.days) == (2, staff, 730)
    page = client.get(at("wording", "publish", draft.pk)).content.decode()
    assert "Yes, write to me about new books" in page
    client.post(at("wording", "publish", draft.pk))
    draft.refresh_from_db()
    assert draft.published_at
    assert draft.digest == draft.compute_digest()
    changed = client.post(at("wording", "change", draft.pk), words | {"text": "Something else"})
    assert changed.status_code == 403
    client.force_login(make.staff())
    assert client.post(at("wording", "delete", draft.pk)).status_code == 403


@pytest.mark.parametrize("model", ["consentevent", "ledgercheckpoint", "servicemail", "refusedrow"])
def test_it_only_shows_what_the_machinery_writes(client, model):
    make.granted(make.contact(), make.topic())
    client.force_login(make.staff())
    assert client.get(at(model)).status_code == 200
    assert client.get(at(model, "add")).status_code == 403


def test_it_shows_an_event_with_its_words_and_proof_and_changes_nothing(client):
    event = make.granted(make.contact(), make.topic())
    client.force_login(make.staff())
    page = client.get(at("consentevent", "change", event.pk)).content.decode()
    assert bytes(event.leaf).hex() in page
    assert event.wording.text in page
    assert (
        client.post(at("consentevent", "change", event.pk), {"kind": "withdrawn"}).status_code
        == 403
    )
    assert client.post(at("consentevent", "delete", event.pk)).status_code == 403
    assert ConsentEvent.objects.get(pk=event.pk).kind == "given"


def test_it_hides_evidence_without_its_permission(client):
    event = make.given_elsewhere(make.contact(), make.topic())
    allowed(client, "consent.view_consentevent")
    page = at("consentevent", "change", event.pk)
    assert "book fair" not in client.get(page).content.decode()
    allowed_too = StaffPermission.objects.get(codename="view_consentevidence")
    User.objects.get(username="nora").user_permissions.add(allowed_too)
    assert "book fair" in client.get(page).content.decode()


def test_it_says_that_evidence_was_erased(client):
    event = make.given_elsewhere(make.contact(), make.topic())
    ConsentEvidence.objects.filter(event=event).delete()
    client.force_login(make.staff())
    page = client.get(at("consentevent", "change", event.pk)).content.decode()
    assert "the commitment still proves" in page


def test_it_finds_events_by_pseudonym(client):
    ada = make.contact()
    event = make.granted(ada, make.topic())
    make.granted(make.contact(), make.topic())
    client.force_login(make.staff())
    found = client.get(at("consentevent"), {"q": ada.pseudonym}).context_data["cl"].result_list
    assert [row.pk for row in found] == [event.pk]


def test_it_suppresses_an_address_and_finds_it_again_but_never_removes_it(client):
    allowed(
        client, "consent.view_suppression", "consent.add_suppression", "consent.delete_suppression"
    )
    page = client.post(
        at("suppression", "add"),
        {"channel": "email", "address": "Cy@Example.org", "cause": "legal"},
    )
    assert page.status_code == 302, page.context_data["errors"]
    suppression = Suppression.objects.get()
    assert (suppression.cause, suppression.topic) == ("legal", None)
    answer = client.post(at("suppression", "find"), {"address": "CY@example.org"}, follow=True)
    assert [row.pk for row in answer.context_data["cl"].result_list] == [suppression.pk]
    assert "cy" not in answer.request["QUERY_STRING"]
    for nobody in ("cy@example.org", "cy", "f" * 65, "%"):
        assert client.get(at("suppression"), {"q": nobody}).context_data["cl"].result_list == []
    begun = bytes(suppression.fingerprint).hex()[:16] + "…"
    assert len(client.get(at("suppression"), {"q": begun}).context_data["cl"].result_list) == 1
    assert "complete email" in str(
        client.post(at("suppression", "find"), {"address": "cy@"}).content
    )
    assert client.post(at("suppression", "delete", suppression.pk)).status_code == 403
    assert (
        client.post(at("suppression", "change", suppression.pk), {"cause": "staff"}).status_code
        == 403
    )


@pytest.mark.parametrize(
    "given",
    [
        {"channel": "email", "address": "no address", "cause": "staff"},
        {"channel": "data", "address": "cy@example.org", "cause": "staff"},
        {"channel": "email", "address": "cy@example.org", "cause": "withdrawn"},
    ],
)
def test_it_refuses_a_suppression_that_cannot_be(client, given):
    client.force_login(make.staff())
    assert client.post(at("suppression", "add"), given).status_code == 200
    assert not Suppression.objects.exists()


def test_it_hides_the_refused_row_itself_without_view_identity(client):
    batch = ImportBatch.objects.create(name="people.csv", file_digest="0" * 64)
    row = RefusedRow.objects.create(
        batch=batch, line=7, row={"email": "cy@example"}, reason="No address"
    )
    allowed(client, "consent.view_refusedrow", "consent.view_importbatch")
    shown = client.get(at("refusedrow", "change", row.pk)).content.decode()
    assert "No address" in shown
    assert "cy@example" not in shown
    listed = client.get(at("refusedrow"), {"batch__id__exact": batch.pk})
    assert listed.status_code == 200


def test_it_keeps_one_organization(client):
    client.force_login(make.staff())
    assert client.get(at("organization", "add")).status_code == 200
    make.organization()
    assert client.get(at("organization", "add")).status_code == 403
    kept = Organization.objects.get()
    assert client.post(at("organization", "delete", kept.pk)).status_code == 403


def test_it_shows_what_stood_at_a_moment_by_what_was_recorded_then(client):
    ada, news = make.contact(), make.topic()
    given = make.granted(ada, news)
    withdrawn = make.withdrawn(ada, news)
    between = given.recorded_at + (withdrawn.recorded_at - given.recorded_at) / 2
    assert [line.standing.state for line in as_of.standing_at(ada, between)] == ["granted"]
    assert as_of.standing_at(ada, given.recorded_at - timedelta(seconds=1)) == []
    client.force_login(make.staff())
    page = reverse("admin:contacts_contact_change", args=[ada.pk])
    shown = client.get(page, {"as_of": "2099-01-01T00:00"}).content.decode()
    assert f"#{withdrawn.pk}" in shown
    assert (
        "Nothing was recorded by then."
        in client.get(page, {"as_of": "2001-01-01T00:00"}).content.decode()
    )
    assert client.get(page, {"as_of": "yesterday"}).status_code == 200
