"""What somebody puts into the queues: replayed, forged, stale or broken, it sends and says nothing (P13)."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from celery import current_app
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.core import mail
from django.utils import timezone

from campaigns import services
from campaigns import tasks as campaign_tasks
from campaigns.models import Campaign, Delivery
from config import tasks as config_tasks
from consent import imports, uploads
from consent import tasks as consent_tasks
from consent.models import ConsentEvent, ImportBatch, Permission, ServiceMail
from contacts import services as contacts
from contacts.models import Contact
from tests import make, processes
from tests.beside import wait_until
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("ada@example.org", "mallory@evil.example", "+33612345678")
QUEUES = ("default", "deliver", "service", "long")
# Whatever stands where an id is expected.
NO_IDS = [0, -1, 10**9, 2**63, 10**40, "1", "1; DROP", "", None, 1.5, True, [1], {"pk": 1}, *NAMES]


@pytest.fixture
def sink(settings):
    with Sink(keep=True) as started:
        engine.use(started, settings)
        yield started


@pytest.fixture
def cast(sink):
    """Ada granted, Cy withdrew; one campaign in each state that must not send."""
    make.organization()
    news = make.topic()
    ada, cy = make.contact("ada@example.org", phone="+33612345678"), make.contact("cy@example.org")
    for person in (ada, cy):
        make.granted(person, news)
    make.withdrawn(cy, news)
    ServiceMail.objects.all().delete()
    later = timezone.now() + timedelta(days=3)
    found = {
        name: make.campaign(news, name=name) for name in ("draft", "future", "paused", "cancelled")
    }
    services.schedule_campaign(campaign=found["future"], send_at=later, actor_id=None)
    for name in ("paused", "cancelled"):
        engine.started(found[name])
    services.pause_campaign(campaign=found["paused"])
    services.cancel_campaign(campaign=found["cancelled"])
    engine.work(found["cancelled"])
    return found


@pytest.fixture
def upload(tmp_path, settings):
    """A file that was uploaded, and that nobody said shall be imported."""
    settings.ASSENT_VAR = tmp_path
    path = uploads.keep([b"email\nnew@example.org\n"])
    return imports.start(path=path, is_upload=True)


def stands():
    """What no message may change."""
    return {
        "campaigns": dict(Campaign.objects.values_list("pk", "state")),
        "deliveries": sorted(Delivery.objects.values_list("pk", "state", "attempt")),
        "permissions": sorted(Permission.objects.values_list("pk", "state", "event")),
        "events": ConsentEvent.objects.count(),
        "people": Contact.objects.count(),
        "imports": dict(ImportBatch.objects.values_list("pk", "state")),
    }


def forgeries(cast, upload):
    """Messages as a client of the broker can write them: the task, its arguments, its headers."""
    aims = [*NO_IDS, *(campaign.pk for campaign in cast.values())]
    for aim in aims:
        yield "campaigns.deliver", {"campaign_id": aim, "lane": 0}
        yield "consent.run_import", {"batch_id": upload.pk if aim == 0 else aim}
    for lane in NO_IDS:
        yield "campaigns.deliver", {"campaign_id": cast["paused"].pk, "lane": lane}
    draft = {"campaign_id": cast["draft"].pk, "lane": 0}
    for more in ("contact_id", "topic", "delivery_id", "recipient", "force"):
        yield "campaigns.deliver", draft | {more: "mallory@evil.example"}
    yield "campaigns.deliver", {}
    yield "campaigns.tick", {"campaign_id": cast["draft"].pk}
    yield "config.send_password_reset", {"user_id": "olga@lumen.example", "language": "en"}
    for gone in ("campaigns.send_message", "consent.confirm", "contacts.erase", "os.system"):
        yield gone, {"to": "mallory@evil.example", "contact": "ada@example.org"}


@pytest.mark.parametrize("times", [1, 3])
def test_no_arguments_of_a_task_send_permit_or_import(cast, upload, sink, times):
    before = stands()
    known = {
        task.name: task
        for task in (
            campaign_tasks.deliver, campaign_tasks.tick, consent_tasks.run_import,
            config_tasks.send_password_reset,
        )
    }  # fmt: skip
    for name, arguments in forgeries(cast, upload):
        for _ in range(times if name in known else 0):
            known[name].apply(kwargs=arguments)
    assert sink.count() == 0
    assert mail.outbox == []
    assert stands() == before


def test_a_replayed_hand_over_sends_nothing_twice(cast, sink):
    campaign = engine.work(engine.started(make.campaign(cast["draft"].topic)))
    assert [taken.recipient for taken in sink.taken()] == ["ada@example.org"]
    before = stands()
    for lane in range(4):
        for _ in range(3):
            campaign_tasks.deliver.apply(kwargs={"campaign_id": campaign.pk, "lane": lane})
    assert sink.count() == 1
    assert stands() == before


def test_a_replayed_reset_of_a_password_mails_once_and_to_staff_only():
    olga = make.staff("olga")
    gone = make.staff("otto")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    for user_id in (olga.pk, olga.pk, olga.pk, gone.pk, 10**9):
        for language in ("en", "../../etc", "mallory@evil.example"):
            config_tasks.send_password_reset.apply(
                kwargs={"user_id": user_id, "language": language}
            )
    assert [message.to for message in mail.outbox] == [["olga@lumen.example"]]


def test_a_real_worker_outlives_forged_messages_and_says_no_name_of_them(
    cast, upload, sink, tmp_path: Path
):
    contacts.record_key_checks()
    wanted = make.campaign(cast["draft"].topic, name="wanted")
    services.schedule_campaign(campaign=wanted, send_at=timezone.now(), actor_id=None)
    queue = redis.Redis.from_url(django_settings.REDIS_URL)
    queue.delete(*QUEUES)
    before = stands()
    for name, arguments in forgeries(cast, upload):
        current_app.send_task(name, kwargs=arguments, retry=False)
    pickled = Path(tmp_path / "ran")
    with current_app.producer_pool.acquire(block=True) as producer:
        for content_type, body in (
            (
                "application/x-python-serialize",
                b"cos\nsystem\n(S'touch %s'\ntR." % str(pickled).encode(),
            ),
            ("application/json", b'["mallory@evil.example", {"contact": "ada@example.org"}, {}]'),
            ("application/json", b'{"contact": "ada@example.org"'),
        ):
            producer.publish(
                body, routing_key="default", exchange="default", content_type=content_type,
                content_encoding="binary", headers={"task": "campaigns.tick", "id": "forged"},
                declare=[current_app.amqp.queues["default"]],
            )  # fmt: skip
    for _ in range(5):
        current_app.send_task("campaigns.tick", retry=False)

    log = tmp_path / "worker.log"
    with log.open("wb") as written:
        command = processes.worker_command("forged")
        worker = subprocess.Popen(
            command, cwd=processes.ROOT, env=processes.environment(), start_new_session=True,
            stdout=written, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            wait_until(lambda: state_of(wanted) == "sent", "the campaign")
            wait_until(lambda: not any(map(queue.llen, QUEUES)), "the end of the queues")
            assert worker.poll() is None
        finally:
            processes.kill(worker)

    letters = [raw for raw in sink.messages() if b"\r\nList-Id: " in raw]
    assert [engine.recipient_of(raw) for raw in letters] == ["ada@example.org"]
    after = stands()
    assert after["campaigns"].pop(wanted.pk) == "sent"
    before["campaigns"].pop(wanted.pk)
    kept = {pk for pk, _state, _attempt in before["deliveries"]}
    after["deliveries"] = [row for row in after["deliveries"] if row[0] in kept]
    assert after == before
    assert not pickled.exists()
    said = log.read_text()
    assert "forged" in said or "nregistered" in said
    assert not [name for name in (*NAMES, "olga@") if name in said]
    assert not list(queue.scan_iter("celery-task-meta*"))
    queue.delete(*QUEUES)
    queue.close()


def state_of(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return campaign.state
