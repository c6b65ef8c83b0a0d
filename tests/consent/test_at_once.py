"""Acts that meet: real connections, real locks."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from consent import gate, ledger, replay, sealing, services, verification
from consent.models import ConsentEvent, Kind, Method, ServiceMail
from contacts.models import Channel
from tests import make
from tests.beside import PATIENCE_S, elsewhere, somebody_waits_for_us

pytestmark = pytest.mark.django_db(transaction=True)

EMAIL = Channel.EMAIL
ACTS = 12
BULK = 20_000

# As an import does: one long transaction of grants, of which nothing is visible before its end.
APPEND = """
    INSERT INTO consent_consentevent (subject, topic_key, channel, kind, basis, method, actor_role,
        actor, commitment)
    SELECT gen_random_uuid(), 'product-news', 'email', 'given', 'consent', 'import', 'staff',
        'staff-1', sha256(n::text::bytea)
    FROM generate_series(1, %s) AS n
"""


def at_once(*works: Callable[[], None]) -> None:
    """Run each in a thread with a connection of its own; raise what one of them raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        try:
            start.wait(PATIENCE_S)
            work()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    if errors:
        raise errors[0]


def test_it_puts_the_acts_of_one_person_one_after_the_other():
    topic = make.topic()
    ada = make.contact()
    words, address = make.wording(topic), ada.addresses.get()

    def give() -> None:
        for _ in range(ACTS):
            with transaction.atomic():
                ledger.record(
                    contact=ada, topic=topic, channel=EMAIL, kind=Kind.GIVEN, wording=words,
                    method=Method.PREFERENCES, actor=ledger.SUBJECT, address=address,
                )  # fmt: skip

    def take() -> None:
        for _ in range(ACTS):
            services.withdraw(contact=ada, topic=topic, channel=EMAIL, method=Method.ONE_CLICK)

    at_once(give, take, give)

    times = list(ConsentEvent.objects.order_by("id").values_list("occurred_at", flat=True))
    assert times == sorted(times)
    assert list(replay.differences()) == []
    last = ConsentEvent.objects.order_by("id").last()
    allowed = services.is_allowed(contact=ada, topic=topic, channel=EMAIL)
    assert allowed == (last.kind == Kind.GIVEN)


def test_an_act_waits_for_the_act_before_it():
    topic = make.topic()
    ada = make.contact()
    make.granted(ada, topic)

    with transaction.atomic(), connection.cursor() as cursor:
        services.withdraw(contact=ada, topic=topic, channel=EMAIL, method=Method.ONE_CLICK)
        second = elsewhere(
            partial(services.object_to_everything, contact=ada, method=Method.STOP_PAGE)
        )
        somebody_waits_for_us()
        cursor.execute("SELECT clock_timestamp()")
        [end_of_first] = cursor.fetchone()
    second.join()

    assert ConsentEvent.objects.get(kind=Kind.OBJECTED).recorded_at > end_of_first
    assert list(replay.differences()) == []


def test_it_loses_no_person_when_many_sign_up_at_the_same_address():
    topic = make.topic("offers", double_opt_in=False)
    words = make.wording(topic)

    def sign_up() -> None:
        services.request_consent(email="ada@example.org", wordings=[words], language="en")

    at_once(*[sign_up] * 5)

    assert len(set(ConsentEvent.objects.values_list("subject", flat=True))) == 1
    assert list(replay.differences()) == []


def test_it_writes_to_an_address_once_however_many_forms_ask_for_it_at_once():
    news, offers = make.topic(), make.topic("offers")
    boxes = [make.wording(news), make.wording(offers), make.wording(news, language="fr")]
    for box in boxes:
        at_once(*[partial(_ask_for, [box])] * 4)
        ServiceMail.objects.update(sent_at=Now())

    assert ServiceMail.objects.filter(purpose="confirmation").count() == 1


def _ask_for(wordings) -> None:
    services.request_consent(email="ada@example.org", wordings=wordings, language="en")


def test_a_withdrawal_does_not_wait_for_a_large_append():
    topic = make.topic()
    cy = make.contact()
    make.granted(cy, topic)
    appended, withdrawn = threading.Event(), threading.Event()

    def append() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(APPEND, [BULK])
            appended.set()
            assert withdrawn.wait(PATIENCE_S)

    def withdraw() -> None:
        assert appended.wait(PATIENCE_S)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")
        services.withdraw(contact=cy, topic=topic, channel=EMAIL, method=Method.ONE_CLICK)
        assert gate.explain(contact=cy, topic=topic, channel=EMAIL).reason == "withdrawn"
        assert sealing.seal() == 2, "the sealer takes what is committed and waits for nobody"
        withdrawn.set()

    at_once(append, withdraw)

    assert sealing.seal() == BULK
    assert verification.verify(batch=700).ok


def test_a_second_sealer_leaves_the_work_to_the_first():
    for _ in range(4):
        make.granted(make.contact(), make.topic())
    sealed: list[int] = []
    started, done = threading.Event(), threading.Event()

    def first() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [sealing.LOCK])
            started.set()
            assert done.wait(PATIENCE_S)

    def second() -> None:
        assert started.wait(PATIENCE_S)
        sealed.append(sealing.seal())
        done.set()

    at_once(first, second)
    assert (sealed, sealing.unsealed()) == ([0], 4)
    at_once(*[lambda: sealed.append(sealing.seal(batch=1))] * 3)
    assert sum(sealed) == 4
    assert verification.verify().ok
