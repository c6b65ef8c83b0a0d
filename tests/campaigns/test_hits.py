"""A hit is written only while the person permits it, and every answer is the same whatever happens (P17)."""

import threading
from datetime import timedelta

import pytest
from celery import current_app
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from kombu import Queue

from campaigns import holding
from campaigns.models import Delivery, Destination, Hit
from consent import imports, links, tasks
from consent import services as consent
from consent.models import Method, Permission
from contacts import processing, retention, rights
from contacts import services as contacts
from contacts.models import Contact
from tests import make
from tests.campaigns import engine, measuring

pytestmark = pytest.mark.django_db(transaction=True)
LINK, PIXEL = 1, 0


@pytest.fixture
def campaign():
    """Sent to Ada, who permits measurement, and to Bo, who does not."""
    news = make.topic()
    for name in ("ada", "bo"):
        make.granted(make.contact(f"{name}@example.org"), news)
    measuring.permit(person("ada"))
    made = engine.started(measuring.campaign(news))
    made.deliveries.update(
        state="sent", attempt=1, handed_over_at=timezone.now(), event=person("ada").permissions.first().event,
        address=person("ada").addresses.get(),
    )  # fmt: skip
    made.deliveries.filter(contact=person("ada")).update(is_measured=True)
    return made


def person(name):
    return contacts.find_contact(channel="email", address=f"{name}@example.org")


def ask(made, who, number=LINK, method="get", **headers):
    answer = getattr(Client(), method)(measuring.path(made, person(who), number), headers=headers)
    assert answer.status_code == (302 if number else 200)
    return answer


def bytes_of(answer):
    return answer.status_code, sorted(answer.items()), answer.content


def hits():
    return list(Hit.objects.order_by("pk").values_list("contact", "destination__number", "times"))


def test_it_counts_opens_and_clicks_once_each_with_their_times(campaign):
    ada = person("ada")
    for number in (PIXEL, LINK, LINK, 2, PIXEL, PIXEL):
        ask(campaign, "ada", number)
    assert set(hits()) == {(ada.pk, None, 3), (ada.pk, 1, 2), (ada.pk, 2, 1)}
    hit = Hit.objects.get(destination=None)
    assert hit.first_at < hit.last_at
    assert hit.campaign == campaign


def test_it_keeps_nothing_of_the_request():
    columns = {field.name for field in Hit._meta.get_fields()}
    assert columns == {
        "id", "delivery", "campaign", "contact", "destination", "first_at", "last_at", "times",
    }  # fmt: skip


def test_a_click_is_a_sign_of_life_and_an_opening_is_none(campaign):
    ask(campaign, "ada", PIXEL)
    assert person("ada").last_active_at is None
    ask(campaign, "ada", LINK)
    assert person("ada").last_active_at is not None


def withdraw(made):
    measuring.take_back(person("ada"))


def object_to_everything(made):
    consent.object_to_everything(contact=person("ada"), method=Method.STOP_PAGE)


def restrict(made):
    Contact.objects.filter(pk=person("ada").pk).update(restricted_at=timezone.now())


def retire(made):
    consent.retire_topic(topic=measuring.topic())


def run_out(made):
    person("ada").permissions.filter(channel="data").update(valid_until=timezone.now())


def not_measured(made):
    Delivery.objects.update(is_measured=False)


@pytest.mark.parametrize(
    "end", [withdraw, object_to_everything, restrict, retire, run_out, not_measured]
)
@pytest.mark.parametrize("number", [LINK, PIXEL])
def test_it_writes_nothing_and_answers_the_same_when_it_is_not_permitted(end, number, campaign):
    counted = bytes_of(ask(campaign, "ada", number))
    assert len(hits()) == 1
    Hit.objects.all().delete()
    Contact.objects.update(last_active_at=None)
    end(campaign)
    assert bytes_of(ask(campaign, "ada", number)) == counted
    assert hits() == []
    assert person("ada").last_active_at is None


@pytest.mark.parametrize("number", [LINK, PIXEL])
def test_it_writes_nothing_of_whoever_was_erased(number, campaign):
    path = measuring.path(campaign, person("ada"), number)
    counted = bytes_of(Client().get(path))
    rights.erase(contact=person("ada"))
    assert hits() == []
    assert bytes_of(Client().get(path)) == counted
    assert hits() == []


@pytest.mark.parametrize("number", [LINK, PIXEL])
def test_it_writes_nothing_of_whoever_never_permitted_it(number, campaign):
    assert bytes_of(ask(campaign, "bo", number)) == bytes_of(ask(campaign, "ada", number))
    assert [contact for contact, *_ in hits()] == [person("ada").pk]


def test_it_still_leads_on_but_counts_no_more_when_its_time_is_over(campaign):
    for number in (LINK, PIXEL):
        path = measuring.path(campaign, person("ada"), number, seconds=-1)
        assert Client().get(path).status_code == (302 if number else 200)
    assert hits() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sec-Purpose", "prefetch;anonymous-client-ip"),
        ("Purpose", "prefetch"),
        ("X-Moz", "prefetch"),
    ],
)
def test_it_writes_nothing_when_a_program_fetches_ahead(name, value, campaign):
    ask(campaign, "ada", LINK, **{name: value})
    ask(campaign, "ada", PIXEL, **{name: value})
    assert hits() == []


def test_it_writes_nothing_for_head_and_takes_no_post(campaign):
    ask(campaign, "ada", LINK, "head")
    ask(campaign, "ada", PIXEL, "head")
    assert Client().post(measuring.path(campaign, person("ada"), LINK)).status_code == 405
    assert hits() == []


def test_it_leads_to_the_stored_destination_and_nowhere_else(campaign):
    path = measuring.path(campaign, person("ada"), LINK)
    answer = Client().get(f"{path}?url=https://evil.example/&next=//evil.example")
    assert answer["Location"] == "https://lumen.example/new?a=1&b=2"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_it_knows_no_other_number_campaign_or_token(campaign):
    token = measuring.path(campaign, person("ada"), LINK).split("/")[2]
    other = links.hit_token(links.Hit(campaign.pk + 1, 1, 2**40))
    for path in (f"/k/{token}/3/", f"/k/{token}/0/", f"/k/{other}/1/", "/k/x/1/", "/o/x.gif"):
        assert Client().get(path).status_code == 404
    assert hits() == []


def test_neither_kind_of_link_passes_for_the_other(campaign):
    ada = person("ada")
    stop = links.stop_token(links.Stop(ada.subject, bytes(32), 1, "product-news", "email", 1))
    hit = links.hit_token(links.Hit(campaign.pk, 1, 2**40))
    with pytest.raises(links.LinkError):
        links.read_hit(stop)
    with pytest.raises(links.LinkError):
        links.read_stop(hit)


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/x"])
def test_no_other_destination_can_be_written_down(url, campaign):
    with pytest.raises(IntegrityError, match="destination_is_a_web_address"), transaction.atomic():
        Destination.objects.create(campaign=campaign, number=9, url=url)


def test_it_still_leads_on_when_counting_fails(campaign):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE campaigns_hit RENAME TO campaigns_away")
    try:
        ask(campaign, "ada", LINK)
        ask(campaign, "ada", PIXEL)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE campaigns_away RENAME TO campaigns_hit")
    assert hits() == []


def test_it_does_not_wait_for_somebody_who_holds_the_person(campaign):
    done = []

    def reader():
        done.append(ask(campaign, "ada", LINK).status_code)
        connection.close()

    with transaction.atomic():
        contacts.lock(person("ada").pk)
        thread = threading.Thread(target=reader)
        thread.start()
        thread.join()
    assert done == [302]
    assert hits() == []


@pytest.mark.parametrize("number", [LINK, PIXEL])
def test_a_withdrawal_that_comes_second_erases_the_hit(number, campaign):
    """The hit holds the person's lock until it is written: a withdrawal waits for it, then erases it."""
    ada = person("ada")
    withdrawn = threading.Event()

    def withdraw():
        measuring.take_back(ada)
        withdrawn.set()
        connection.close()

    with transaction.atomic():
        ask(campaign, "ada", number)
        thread = threading.Thread(target=withdraw)
        thread.start()
        assert not withdrawn.wait(0.3)
    thread.join()
    assert hits() == []
    assert not Delivery.objects.filter(is_measured=True).exists()


def test_a_later_yes_does_not_bring_back_what_was_measured_before(campaign):
    ask(campaign, "ada", LINK)
    measuring.take_back(person("ada"))
    measuring.permit(person("ada"))
    ask(campaign, "ada", LINK)
    assert hits() == []


def test_the_job_of_retention_erases_what_is_kept_too_long_or_not_permitted(campaign):
    ask(campaign, "ada", LINK)
    ask(campaign, "ada", PIXEL)
    assert retention.erase_expired() == []
    run_out(campaign)
    [found] = retention.erase_expired(dry_run=True)
    assert (found.key, found.cause, found.people) == ("hits", "not_permitted", 1)
    assert len(hits()) == 2
    assert retention.erase_expired() == [found]
    assert hits() == []
    assert not Delivery.objects.filter(is_measured=True).exists()


def test_the_job_of_retention_goes_on_until_all_are_erased(campaign, monkeypatch):
    monkeypatch.setattr("campaigns.measurement.BATCH", 1)
    measuring.permit(person("bo"))
    campaign.deliveries.update(is_measured=True)
    for name in ("ada", "bo"):
        ask(campaign, name, LINK)
        ask(campaign, name, PIXEL)
    assert len(hits()) == 4
    Permission.objects.filter(channel="data").update(valid_until=timezone.now())
    assert [found.people for found in retention.erase_expired()] == [2]
    assert hits() == []
    assert not Delivery.objects.filter(is_measured=True).exists()


def queued():
    """What was asked of the workers of long tasks, as (name, arguments); the queue is empty then."""
    asked = []
    with current_app.connection_for_read() as broker:
        queue = Queue("long", channel=broker.channel())
        queue.declare()
        while message := queue.get(no_ack=True, accept=["json"]):
            asked.append((message.headers["task"], message.payload[1]))
    return asked


def test_an_import_that_takes_the_permission_back_erases_the_hits_as_soon_as_it_is_over(
    campaign, tmp_path
):
    ask(campaign, "ada", LINK)
    queued()
    path = tmp_path / "gone.csv"
    path.write_text("email,status,topic\nada@example.org,unsubscribed,measurement\n")
    assert imports.run(imports.start(path=path)).stops == 1
    [(task, arguments)] = queued()
    assert task == tasks.end_uses.name
    tasks.end_uses(**arguments)
    assert hits() == []
    assert not Delivery.objects.filter(is_measured=True).exists()


def test_an_import_that_takes_nothing_back_asks_no_worker_and_a_no_to_letters_leaves_the_hits(
    campaign, tmp_path
):
    ask(campaign, "ada", LINK)
    queued()
    path = tmp_path / "people.csv"
    path.write_text("email,first name\nada@example.org,Ada\n")
    imports.run(imports.start(path=path))
    assert queued() == []
    path.write_text("email,status,topic\nada@example.org,unsubscribed,product-news\n")
    imports.run(imports.start(path=path))
    [(task, arguments)] = queued()
    assert task == tasks.end_uses.name
    tasks.end_uses(**arguments)
    assert len(hits()) == 1


def test_the_record_of_processing_names_it_once_people_can_permit_it(campaign):
    [row] = [row for row in processing.record() if row["depends_on_permission"] == "measurement"]
    assert row["category"] == "What people opened and clicked"
    assert row["kept"].startswith("396 days")
    consent.retire_topic(topic=measuring.topic())
    assert not any(row["depends_on_permission"] == "measurement" for row in processing.record())


def test_hits_go_when_the_topic_that_permits_them_is_retired(campaign):
    ask(campaign, "ada", LINK)
    assert retention.erase_expired() == []
    consent.retire_topic(topic=measuring.topic())
    [found] = retention.erase_expired()
    assert (found.key, found.cause, found.people) == ("hits", "not_permitted", 1)
    assert hits() == []


def test_hits_are_kept_for_their_days_after_the_last(campaign, settings):
    ask(campaign, "ada", LINK)
    settings.MEASUREMENT_DAYS = 10
    old = timezone.now() - timedelta(days=11)
    Hit.objects.update(first_at=old)
    assert retention.erase_expired() == []
    Hit.objects.update(last_at=old)
    [found] = retention.erase_expired()
    assert (found.key, found.cause, found.people) == ("hits", "expired", 1)
    assert hits() == []


def test_the_person_reads_what_was_counted(campaign):
    ask(campaign, "ada", LINK)
    ask(campaign, "ada", PIXEL)
    told = rights.export(contact=person("ada"))["campaigns"]["hits"]
    assert [(hit["what"], hit["address"], hit["times"]) for hit in told] == [
        ("click", "https://lumen.example/new?a=1&b=2", 1),
        ("open", None, 1),
    ]
    assert rights.export(contact=person("bo"))["campaigns"]["hits"] == []
    [section] = [section for section in holding.tell(person("ada")) if "permission" in section.name]
    assert [line.note for line in section.lines] == [
        "opened",
        "followed https://lumen.example/new?a=1&b=2",
    ]
