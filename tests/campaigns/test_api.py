"""Campaigns and deliveries over the API: drafts are written, moves need their own permission."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns.models import Campaign, Delivery
from contacts.models import Segment
from tests import make
from tests.campaigns import engine

pytestmark = pytest.mark.django_db
CONTENT = {"language": "en", "subject": "News", "body": "Hello, three new books this month."}


def client(*codenames: str, superuser: bool = False) -> APIClient:
    user = make.staff(superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    made = APIClient()
    made.force_authenticate(user)
    return made


def draft(**fields: object) -> dict[str, object]:
    make.organization()
    return {
        "name": "June",
        "topic": make.topic().key,
        "sender": make.sender().name,
        "contents": [CONTENT],
    } | fields


def test_it_writes_and_changes_a_draft():
    api = client(superuser=True)
    made = api.post("/api/campaigns/", draft(), format="json")
    assert made.status_code == 201
    body = {"contents": [CONTENT | {"subject": "More news"}]}
    changed = api.patch(f"/api/campaigns/{made.json()['id']}/", body, format="json")
    assert [content["subject"] for content in changed.json()["contents"]] == ["More news"]


def test_it_refuses_two_contents_in_one_language():
    answer = client(superuser=True).post(
        "/api/campaigns/", draft(contents=[CONTENT, CONTENT]), format="json"
    )
    assert answer.status_code == 400
    assert not Campaign.objects.exists()


@pytest.mark.parametrize("language", ["de", "English", "", "en-", ["en"], None, 7])
def test_it_refuses_a_language_that_is_not_configured(language):
    api = client(superuser=True)
    contents = [CONTENT, CONTENT | {"language": language}]
    answer = api.post("/api/campaigns/", draft(contents=contents), format="json")
    assert answer.status_code == 400
    refused = answer.json()["contents"]
    assert {place: list(parts) for place, parts in refused.items()} == {"1": ["language"]}
    assert not Campaign.objects.exists()


def test_it_names_the_languages_it_takes(settings):
    api = client(superuser=True)
    made = api.post("/api/campaigns/", draft(), format="json").json()
    path = f"/api/campaigns/{made['id']}/"
    body = {"contents": [CONTENT | {"language": "de"}]}
    assert api.patch(path, body, format="json").json()["contents"] == {
        "0": {"language": ["Choose one of these languages: en, fr."]}
    }
    contents = [CONTENT | {"language": code} for code, _name in settings.LANGUAGES]
    assert api.patch(path, {"contents": contents}, format="json").status_code == 200


def test_it_schedules_pauses_nothing_and_cancels():
    api = client(superuser=True)
    path = f"/api/campaigns/{api.post('/api/campaigns/', draft(), format='json').json()['id']}"
    moment = {"send_at": timezone.now().isoformat()}
    assert api.post(f"{path}/schedule/", moment, format="json").json()["state"] == "scheduled"
    assert api.post(f"{path}/pause/").status_code == 409
    assert api.patch(f"{path}/", {"name": "July"}, format="json").status_code == 409
    assert api.post(f"{path}/cancel/").json()["state"] == "cancelled"


def test_it_lets_only_those_schedule_who_may_send():
    campaign = make.campaign(make.topic())
    writer = client("view_campaign", "add_campaign", "change_campaign")
    answer = writer.post(
        f"/api/campaigns/{campaign.pk}/schedule/", {"send_at": timezone.now()}, format="json"
    )
    assert answer.status_code == 403
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.DRAFT


def test_it_says_who_would_get_it_and_why_the_others_would_not():
    topic = make.topic()
    make.granted(make.contact(), topic)
    make.contact()
    campaign = make.campaign(topic)
    counts = client(superuser=True).get(f"/api/campaigns/{campaign.pk}/audience/").json()
    assert {row["reason"]: row["contacts"] for row in counts} == {"": 1, "never_asked": 1}


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"quiet_from": "22:00"}, "quiet_until"),
        ({"quiet_from": "22:00", "quiet_until": None}, "quiet_until"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"topic": "product\0news"}, "detail"),
        ({"segments": ["\0"]}, "detail"),
        ({"sender": "\0"}, "detail"),
    ],
)
def test_it_says_what_is_wrong_with_a_draft(given, place):
    answer = client(superuser=True).post("/api/campaigns/", draft(**given), format="json")
    assert (answer.status_code, list(answer.json())) == (400, [place])
    assert not Campaign.objects.exists()


def test_it_refuses_half_of_quiet_hours_in_a_change(written):
    api, path, _campaign = written
    both = {"quiet_from": "22:00", "quiet_until": "07:00"}
    assert api.patch(path, both, format="json").status_code == 200
    assert api.patch(path, {"quiet_from": None}, format="json").status_code == 400
    assert api.patch(path, dict.fromkeys(both), format="json").status_code == 200


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("moment", ["send_at", "latest_start_at"])
def test_it_refuses_a_start_that_no_clock_can_show(at, zone, moment):
    api = client(superuser=True)
    given = draft(timezone=zone, is_local_time=True)
    made = api.post("/api/campaigns/", given, format="json").json()
    body = {"send_at": timezone.now().isoformat(), moment: at}
    answer = api.post(f"/api/campaigns/{made['id']}/schedule/", body, format="json")
    assert answer.status_code == 409
    assert "more than a hundred years away" in answer.json()["detail"]


@pytest.mark.parametrize("query", [{"state": "lost"}, {"campaign": "x"}, {"contact": "nobody"}])
def test_it_answers_a_malformed_question_with_a_sentence(query):
    assert client(superuser=True).get("/api/deliveries/", query).status_code == 400


@pytest.mark.parametrize("state", ["pending", "withheld"])
def test_it_lists_the_deliveries_of_a_campaign_without_walking_those_of_others(state):
    topic = make.topic()
    lists = []
    for _ in range(2):
        make.granted(make.contact(), topic)
        lists.append(engine.started(make.campaign(topic)))
    Delivery.objects.update(state=state, reason="withdrawn" if state == "withheld" else "")
    first = lists[0].deliveries.get()
    query = {"campaign": lists[0].pk, "state": state}
    with CaptureQueriesContext(connection) as asked:
        answer = client(superuser=True).get("/api/deliveries/", query).json()
    assert [each["id"] for each in answer["results"]] == [first.pk]
    [walked] = [
        each["sql"] for each in asked if 'ORDER BY "campaigns_delivery"."id" DESC' in each["sql"]
    ]
    assert f'"campaigns_delivery"."id" <= {first.pk}' in walked
    assert ("reason" in walked.partition("WHERE")[2]) == (state == "withheld")


@pytest.fixture
def written():
    """A draft as it is in the database, its address, and a client that may change it."""
    api = client(superuser=True)
    made = api.post("/api/campaigns/", draft(), format="json")
    path = f"/api/campaigns/{made.json()['id']}/"
    assert made.headers["ETag"] == api.get(path).headers["ETag"]
    return api, path, Campaign.objects.get()


MEANWHILE = {
    "name": lambda campaign: Campaign.objects.update(name="Theirs"),
    "body": lambda campaign: campaign.contents.update(body="Theirs"),
    "language": lambda campaign: campaign.contents.create(language="fr", subject="x", body="y"),
    "segments": lambda campaign: campaign.segments.add(Segment.objects.create(name="A", rule={})),
    "pace": lambda campaign: Campaign.objects.update(per_minute=7),
    "quiet": lambda campaign: Campaign.objects.update(quiet_from="22:00", quiet_until="06:00"),
}


@pytest.mark.parametrize("part", MEANWHILE)
def test_it_refuses_to_overwrite_what_was_saved_meanwhile(written, part):
    api, path, campaign = written
    seen = api.get(path).headers["ETag"]
    MEANWHILE[part](campaign)
    mine = {"contents": [CONTENT | {"body": "Mine"}]}
    refused = api.patch(path, mine, format="json", headers={"If-Match": seen})
    assert refused.status_code == 412
    assert "Somebody saved this campaign" in refused.json()["detail"]
    assert not campaign.contents.filter(body="Mine").exists()
    again = api.get(path).headers["ETag"]
    assert api.patch(path, mine, format="json", headers={"If-Match": again}).status_code == 200


@pytest.mark.parametrize("given", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_it_writes_what_nobody_saved_meanwhile_and_names_what_it_is_now(written, given):
    api, path, _campaign = written
    seen = api.get(path).headers["ETag"].strip('"')
    changed = api.patch(
        path, {"name": "Mine"}, format="json", headers={"If-Match": given.format(seen)}
    )
    assert changed.status_code == 200
    assert changed.json()["name"] == "Mine"
    assert changed.headers["ETag"] == api.get(path).headers["ETag"] != f'"{seen}"'


def test_it_names_what_a_campaign_is_in_every_answer_about_it(written):
    api, path, _campaign = written
    seen = api.get(path).headers["ETag"]
    assert api.head(path).headers["ETag"] == seen
    moment = {"send_at": timezone.now().isoformat()}
    scheduled = api.post(f"{path}schedule/", moment, format="json")
    cancelled = api.post(f"{path}cancel/")
    assert [scheduled.headers["ETag"], cancelled.headers["ETag"]] == [seen, seen]
    assert "ETag" not in api.post(f"{path}pause/").headers


def test_it_describes_the_tag_and_what_happens_without_it(written):
    api, _path, _campaign = written
    described = api.get("/api/schema/", headers={"Accept": "application/json"}).json()["paths"]
    campaign = described["/api/campaigns/{id}/"]
    for method in ("get", "patch"):
        assert "ETag" in campaign[method]["responses"]["200"]["headers"]
    [given] = [each for each in campaign["patch"]["parameters"] if each["name"] == "If-Match"]
    assert "is overwritten" in given["description"]
    assert "412" in campaign["patch"]["description"]


@pytest.mark.parametrize("given", ['""', "nonsense", '"nonsense"', ","])
def test_it_refuses_a_tag_that_names_nothing(written, given):
    api, path, campaign = written
    refused = api.patch(path, {"name": "Mine"}, format="json", headers={"If-Match": given})
    assert refused.status_code == 412
    campaign.refresh_from_db()
    assert campaign.name == "June"


def test_it_keeps_words_in_a_language_that_is_not_configured_any_more(written):
    api, path, campaign = written
    campaign.contents.create(language="de", subject="Neues", body="Hallo")
    contents = [CONTENT, CONTENT | {"language": "de", "subject": "Neueres"}]
    assert api.patch(path, {"contents": contents}, format="json").status_code == 200
    assert campaign.contents.get(language="de").subject == "Neueres"
    dutch = {"contents": [*contents, CONTENT | {"language": "nl"}]}
    assert api.patch(path, dutch, format="json").status_code == 400
