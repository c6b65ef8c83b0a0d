"""The journal of noes: every no is written down outside the database, and comes back after a restore."""

import json
import os
import threading
from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction

from consent import gate, imports, noes, replay, restoring, rights, services, tasks
from consent.models import ConsentEvent, JournalMark, Method, Suppression, UnwrittenNo
from contacts import addresses, journal, rotation
from contacts import rights as requests
from contacts import services as contacts
from contacts.models import Channel, Contact
from tests import make
from tests.consent.public import stop_link, stranger

pytestmark = pytest.mark.django_db


@pytest.fixture
def news():
    make.organization()
    return make.topic()


@pytest.fixture
def ada(news):
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    return ada


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    """What is done inside is committed, as far as its effects go."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def forgotten(committed):
    """What is done inside is committed and answered; then a backup from before it is restored."""

    @contextmanager
    def restored():
        with transaction.atomic():
            with committed():
                yield
            transaction.set_rollback(True)

    return restored


def written():
    return [entry.said for file in journal.files(noes.NAME) for entry in journal.read(file)]


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=Channel.EMAIL).reason


def one_click(contact, topic):
    token = stop_link(contact, topic.key)
    return stranger().post(
        f"/u/{token}/",
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
    )


def test_it_writes_down_who_stopped_what_and_no_address(ada, news, committed):
    with committed():
        assert one_click(ada, news).status_code == 200
    act, *stops = written()
    event = ConsentEvent.objects.latest("pk")
    assert act == {
        "at": event.occurred_at.isoformat(),
        "kind": "withdrawn",
        "subject": str(ada.subject),
        "topic": news.key,
        "channel": "email",
        "method": "one_click",
    }
    assert {stop["fingerprint"] for stop in stops} == {
        addresses.fingerprint("ada@example.org").hex()
    }
    assert "ada" not in json.dumps(written())
    assert journal.files(noes.NAME)[0].stat().st_mode & 0o077 == 0


def test_it_writes_nothing_down_for_what_is_rolled_back_or_no_no(ada, news, committed):
    with committed():
        with transaction.atomic():
            services.withdraw(contact=ada, topic=news, channel="email", method=Method.STOP_PAGE)
            transaction.set_rollback(True)
        make.granted(make.contact("bo@example.org"), news)
    assert written() == []


def test_it_goes_to_the_disk_once_for_everything_in_a_transaction(
    ada, news, committed, monkeypatch
):
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    with committed():
        one_click(ada, news)
    assert len(written()) > 1
    assert len(synced) == 1


def _withdraw(ada, news):
    assert one_click(ada, news).status_code == 200


def _object(ada, news):
    services.object_to_everything(contact=ada, method=Method.PREFERENCES)


def _complain(ada, news):
    services.record_complaint(contact=ada, topic=news, channel="email", details={})


def _suppress(ada, news):
    services.suppress_address(
        channel="email", address="Ada@example.org", topic=None, cause=Suppression.Cause.STAFF
    )


def _restrict(ada, news):
    rights.restrict(contact=ada, method=Method.PREFERENCES)


@pytest.mark.parametrize(
    ("no", "becomes"),
    [
        (_withdraw, "suppressed"),
        (_object, "suppressed"),
        (_complain, "suppressed"),
        (_suppress, "suppressed"),
        (_restrict, "restricted"),
    ],
)
def test_it_brings_every_no_back_that_a_backup_forgot(ada, news, forgotten, no, becomes):
    restoring.check()
    with forgotten():
        no(ada, news)
    assert reason(ada, news) == ""
    with pytest.raises(restoring.NoesMissing, match="replay_noes"):
        restoring.check()
    call_command("replay_noes")
    assert reason(ada, news) != ""
    restoring.check()
    assert list(replay.differences()) == []


def test_it_brings_back_the_stops_of_an_import(ada, news, forgotten, tmp_path):
    path = tmp_path / "gone.csv"
    path.write_text("email,status\nada@example.org,unsubscribed\nnew@example.org,unsubscribed\n")
    with forgotten():
        assert imports.run(imports.start(path=path)).stops == 2
    call_command("replay_noes")
    assert reason(ada, news) == "withdrawn"
    assert not Contact.objects.exclude(pk=ada.pk).exists()
    with transaction.atomic():
        bo = make.contact("new@example.org")
        make.given_elsewhere(bo, news)
        assert reason(bo, news) == "suppressed"


def test_it_writes_nothing_down_while_an_import_is_only_rehearsed(ada, committed, tmp_path):
    path = tmp_path / "gone.csv"
    path.write_text("email,status\nada@example.org,unsubscribed\n")
    with committed():
        tally, _refused = imports.rehearse(imports.start(path=path))
    assert tally.stops == 1
    assert written() == []


def test_it_brings_nothing_back_twice(ada, news, forgotten, committed, capsys):
    with forgotten():
        one_click(ada, news)
    for _again in range(2):
        with committed():
            call_command("replay_noes")
        call_command("replay_noes", "--all")
    assert ConsentEvent.objects.filter(kind="withdrawn").count() == 1
    assert (
        capsys.readouterr().out.splitlines()[1:]
        == ["0 noes of people and 0 stops of addresses brought back."] * 3
    )


def test_it_keeps_when_the_no_was_said_and_how(ada, news, forgotten):
    with forgotten():
        one_click(ada, news)
        said = ConsentEvent.objects.latest("pk")
    call_command("replay_noes")
    event = ConsentEvent.objects.latest("pk")
    assert (event.occurred_at, event.kind, event.actor_role, event.method) == (
        said.occurred_at,
        "withdrawn",
        "system",
        "job",
    )
    assert event.evidence.details["method"] == "one_click"


def test_it_lets_a_fresh_yes_stand_that_came_after_the_no(ada, news, forgotten):
    with forgotten():
        one_click(ada, news)
    make.withdrawn(ada, news)
    words = make.wording(news)
    services.request_consent(email="ada@example.org", wordings=[words], language="en")
    make.granted(ada, news)
    assert reason(ada, news) == ""
    call_command("replay_noes")
    assert reason(ada, news) == ""
    restoring.check()
    assert list(replay.differences()) == []


def test_it_gives_nobody_anything(news, forgotten, ada):
    """Lines that claim a yes, by whoever wrote into the file, are none."""
    cy = make.contact("cy@example.org")
    at = noes.moment(ConsentEvent.objects.latest("pk").occurred_at)
    line = {"at": at, "subject": str(cy.subject), "topic": news.key, "channel": "email"}
    for kind in ("given", "renewed", "undone", "unrestricted", "basis_recorded"):
        journal.append(
            journal.path(noes.NAME, "2026-01"), [line | {"kind": kind, "method": "form"}]
        )
    call_command("replay_noes")
    assert reason(cy, news) == "never_asked"
    assert not ConsentEvent.objects.filter(subject=cy.subject).exists()


def test_it_stops_an_address_whose_person_the_backup_does_not_know(news, forgotten):
    with forgotten():
        bo = make.contact("bo@example.org")
        make.granted(bo, news)
        one_click(bo, news)
    assert not Contact.objects.exists()
    with pytest.raises(restoring.NoesMissing):
        restoring.check()
    call_command("replay_noes")
    restoring.check()
    again = make.contact("bo@example.org")
    make.given_elsewhere(again, news)
    assert reason(again, news) == "suppressed"


def test_it_finds_the_address_though_the_keys_were_rotated_since(ada, news, forgotten, settings):
    with forgotten():
        services.suppress_address(
            channel="email", address="ada@example.org", topic=None, cause=Suppression.Cause.STAFF
        )
    ring = settings.ASSENT_KEYS["fingerprint"] | {"next": 32 * b"x"}
    settings.ASSENT_KEYS = settings.ASSENT_KEYS | {"fingerprint": ring}
    contacts.record_key_checks()
    rotation.rotate()
    call_command("replay_noes")
    assert reason(ada, news) == "suppressed"


def test_it_leaves_the_erased_alone(ada, news, forgotten):
    with forgotten():
        _object(ada, news)
    requests.erase(contact=ada)
    events = ConsentEvent.objects.count()
    call_command("replay_noes")
    assert ConsentEvent.objects.count() == events
    restoring.check()


def test_it_names_topics_that_the_backup_does_not_know(ada, news, forgotten, capsys):
    with forgotten():
        offers = make.topic("offers")
        make.granted(ada, offers)
        one_click(ada, offers)
    restoring.check()
    call_command("replay_noes", "--all")
    assert "(offers)" in capsys.readouterr().out
    assert reason(ada, news) == ""
    make.topic("offers")
    call_command("replay_noes", "--all")
    assert Suppression.objects.filter(topic__key="offers").exists()


def test_it_passes_over_lines_that_cannot_be_read(ada, news, forgotten, capsys):
    file = journal.path(noes.NAME, "2026-01")
    journal.append(file, [{"at": "never"}, {"nothing": 1}])
    with file.open("a") as lines:
        lines.write('{"at":"2026-01-0')
    with forgotten():
        one_click(ada, news)
    call_command("replay_noes")
    assert reason(ada, news) == "withdrawn"
    assert "3 lines cannot be read" in capsys.readouterr().out


def test_it_reads_the_file_of_another_host_wherever_it_lies(ada, news, forgotten, tmp_path):
    with forgotten():
        one_click(ada, news)
    elsewhere = tmp_path / "noes-web2-2026-01.jsonl"
    journal.files(noes.NAME)[0].rename(elsewhere)
    restoring.check()
    with pytest.raises(CommandError, match="There is no file"):
        call_command("replay_noes", "--journal", str(tmp_path / "missing"))
    call_command("replay_noes", "--journal", str(elsewhere))
    assert reason(ada, news) == "withdrawn"


def test_it_reads_on_from_where_the_database_holds_it(ada, news, committed, monkeypatch):
    with committed():
        one_click(ada, news)
    restoring.check()
    mark = JournalMark.objects.get()
    assert mark.size == journal.files(noes.NAME)[0].stat().st_size
    read: list[object] = []
    monkeypatch.setattr(restoring, "_line", read.append)
    restoring.check()
    assert read == []


def test_it_reads_a_file_anew_that_was_begun_anew(ada, news, forgotten):
    file = journal.path(noes.NAME, "2026-01")
    JournalMark.objects.create(file=file.name, size=10**9)
    with forgotten():
        one_click(ada, news)
    journal.files(noes.NAME)[0].rename(file)
    with pytest.raises(restoring.NoesMissing):
        restoring.check()


# A disk that takes nothing


@pytest.fixture
def full_disk(settings, tmp_path):
    """There is a file where the folder should be: as root writes everywhere, nothing less stops it."""
    (tmp_path / "full").touch()
    settings.ASSENT_JOURNAL = tmp_path / "full" / "journal"
    return settings


def test_it_takes_the_no_and_says_so_where_the_journal_cannot_be_written(
    ada, news, committed, full_disk, client, caplog, tmp_path
):
    with committed():
        assert one_click(ada, news).status_code == 200
    assert reason(ada, news) == "withdrawn"
    assert "lines of the journal of noes cannot be written" in caplog.text
    assert "ada" not in caplog.text
    assert UnwrittenNo.objects.exists()
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert "ASSENT_JOURNAL" in answer.json()["journal"]

    full_disk.ASSENT_JOURNAL = tmp_path / "journal"
    tasks.write_noes()
    assert not UnwrittenNo.objects.exists()
    assert [line["kind"] for line in written() if "kind" in line] == ["withdrawn"]
    assert client.get("/healthz").json()["journal"] == "ok"


def test_it_keeps_what_waits_where_the_disk_is_still_full(ada, news, committed, full_disk):
    with committed():
        one_click(ada, news)
    waiting = UnwrittenNo.objects.count()
    tasks.write_noes()
    assert UnwrittenNo.objects.count() == waiting > 0


def test_it_cuts_no_line_where_the_disk_filled_up_in_the_middle(
    ada, news, forgotten, committed, monkeypatch
):
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, body: write(descriptor, body[:20]))
        with forgotten():
            one_click(ada, news)
            waiting = list(UnwrittenNo.objects.values_list("line", flat=True))
    # The database that kept what waits is gone with them; another no comes behind the line that was cut.
    assert waiting == []
    with forgotten():
        one_click(ada, news)
    call_command("replay_noes")
    assert reason(ada, news) == "withdrawn"


def test_it_serves_threads_that_come_together_by_few_looks_at_the_disk(tmp_path, monkeypatch):
    file = tmp_path / "noes-host.jsonl"
    gate_open, first_in = threading.Event(), threading.Event()
    synced = []

    def fdatasync(descriptor):
        synced.append(descriptor)
        first_in.set()
        assert gate_open.wait(60)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    threads = [
        threading.Thread(target=journal.append, args=(file, [{"number": number}]))
        for number in range(9)
    ]
    threads[0].start()
    assert first_in.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(list(journal.read(file))) < 9:
        assert not gate_open.wait(0.01)
    gate_open.set()
    for thread in threads:
        thread.join(60)
    assert sorted(str(entry.said) for entry in journal.read(file)) == [
        str({"number": number}) for number in range(9)
    ]
    assert len(synced) <= 3
