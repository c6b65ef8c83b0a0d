"""Topics, permissions and events over the API: the same services, the same refusals."""

import pytest
from django.contrib.auth.models import Permission as StaffPermission
from rest_framework.test import APIClient

from consent.models import ConsentEvent
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(make.staff())
    return client


def act(contact, topic, **fields):
    return {"contact": str(contact.subject), "topic": topic.key, "channel": "email"} | fields


EVIDENCE = {"occurred_at": "2025-01-02T03:04:05Z", "source": "Paper form, book fair 2025"}


def test_it_refuses_a_stranger():
    assert APIClient().get("/api/permissions/").status_code == 401


def test_it_refuses_staff_without_the_permission_to_look():
    client = APIClient()
    client.force_authenticate(make.staff("newcomer", superuser=False))
    assert client.get("/api/permissions/").status_code == 403


def test_it_lets_staff_who_may_look_look_and_not_give():
    user = make.staff("analyst", superuser=False)
    user.user_permissions.add(
        StaffPermission.objects.get(codename="view_permission", content_type__app_label="consent")
    )
    client = APIClient()
    client.force_authenticate(user)
    body = act(make.contact(), make.topic(), **EVIDENCE)
    assert client.get("/api/permissions/").status_code == 200
    assert client.post("/api/permissions/give/", body, format="json").status_code == 403
    assert not ConsentEvent.objects.exists()


def test_it_records_a_consent_given_elsewhere_with_its_evidence(api):
    contact, topic = make.contact(), make.topic()
    answer = api.post("/api/permissions/give/", act(contact, topic, **EVIDENCE), format="json")
    assert answer.status_code == 201
    event = ConsentEvent.objects.get(pk=answer.json()["id"])
    assert event.evidence.details["source"] == EVIDENCE["source"]
    listed = api.get("/api/permissions/", {"contact": str(contact.subject)}).json()["results"]
    assert [permission["state"] for permission in listed] == ["granted"]


@pytest.mark.parametrize("missing", ["source", "occurred_at"])
def test_it_refuses_a_consent_without_evidence(api, missing):
    body = act(make.contact(), make.topic(), **EVIDENCE)
    del body[missing]
    answer = api.post("/api/permissions/give/", body, format="json")
    assert answer.status_code == 400
    assert missing in answer.json()


def test_it_refuses_to_bring_back_a_person_who_said_no(api):
    contact, topic = make.contact(), make.topic()
    make.granted(contact, topic)
    make.withdrawn(contact, topic)
    answer = api.post("/api/permissions/give/", act(contact, topic, **EVIDENCE), format="json")
    assert answer.status_code == 409
    assert answer.json()["detail"] == (
        "This person said no; only they themselves can say yes again."
    )


def test_it_records_a_withdrawal_and_says_whether_anything_is_in_doubt(api):
    contact, topic = make.contact(), make.topic()
    make.granted(contact, topic)
    answer = api.post("/api/permissions/withdraw/", act(contact, topic), format="json")
    assert answer.status_code == 201
    assert answer.json()["kind"] == "withdrawn"
    assert answer.json()["in_doubt"] is False


def test_it_records_an_objection_to_everything_when_no_topic_is_named(api):
    contact, topic = make.contact(), make.topic()
    make.granted(contact, topic)
    body = {"contact": str(contact.subject), "channel": "email"}
    assert api.post("/api/permissions/withdraw/", body, format="json").json()["kind"] == "objected"
    explained = api.get("/api/permissions/explain/", act(contact, topic)).json()
    assert explained["is_allowed"] is False
    assert explained["reason"] == "objected"


@pytest.mark.parametrize(
    "query", [{"contact": "nobody"}, {"channel": "pigeon"}, {"state": "maybe"}]
)
def test_it_answers_a_malformed_question_with_a_sentence(api, query):
    assert api.get("/api/permissions/", query).status_code == 400


def test_it_lists_the_events_of_one_subject(api):
    contact, topic = make.contact(), make.topic()
    make.granted(contact, topic)
    make.granted(make.contact(), topic)
    events = api.get("/api/events/", {"subject": str(contact.subject)}).json()["results"]
    assert [event["kind"] for event in events] == ["given"]


def test_it_changes_no_event(api):
    make.granted(make.contact(), make.topic())
    event = ConsentEvent.objects.get()
    for method in (api.put, api.patch, api.delete):
        assert method(f"/api/events/{event.pk}/", {"kind": "withdrawn"}).status_code == 405


def test_it_publishes_a_topic_only_when_it_is_described(api):
    api.post("/api/topics/", {"key": "books", "public_name": "Books"}, format="json")
    answer = api.post("/api/topics/books/publish/")
    assert answer.status_code == 409
    assert "description" in answer.json()["detail"]
    make.topic("letters", status="draft")
    assert api.post("/api/topics/letters/publish/").json()["status"] == "published"
