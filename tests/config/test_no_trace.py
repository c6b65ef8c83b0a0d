"""After an erasure, no name or address is left: not in the database, Redis, sessions, logs or files (P6)."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from campaigns.models import Delivery
from consent import service_mail, tasks
from consent.models import ImportBatch
from contacts import rights
from contacts import services as contacts
from contacts.models import Contact, Export, Segment, StaticList, SubjectRequest
from tests import make
from tests.campaigns import engine
from tests.consent.public import mailed, manage_link, stamp, stranger
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS, NUMBER, CITY = "zelda.quill@example.org", "+33612345678", "Lyon-Croix-Rousse"
NAMES = (ADDRESS, "zelda.quill", "Zelda", "Quillfeather", NUMBER, "33612345678", CITY)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("consent.views.public.EVEN_S", 0.0)


@pytest.fixture
def sink(settings):
    with Sink(keep=True) as started:
        engine.use(started, settings)
        yield started


@pytest.fixture
def broker():
    """What the product keeps in Redis, empty at first."""
    server = redis.Redis.from_url(django_settings.REDIS_URL)
    server.flushdb()
    yield server
    server.flushdb()
    server.close()


@pytest.fixture
def officer():
    client = Client()
    client.force_login(make.staff("nora"))
    return client


def written(name: str) -> set[bytes]:
    """A name in every way that something here would write it down in clear."""
    found = set()
    for text in (name, name.lower(), quote(name, safe=""), json.dumps(name).strip('"')):
        found |= {text.encode(), text.encode("utf-16-le")}
        for shift in range(3):
            raw = base64.b64encode(b"\0" * shift + text.encode())
            found.add(raw[4 if shift else 0 : len(raw) // 4 * 4 - 4])
    return {each for each in found if len(each) > 4}


ANY = re.compile(b"|".join(map(re.escape, set().union(*map(written, NAMES)))), re.IGNORECASE)


def in_tables() -> Iterator[tuple[str, bytes]]:
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            for (row,) in cursor.fetchall():
                yield table, row.encode()


def in_redis(server: "redis.Redis") -> Iterator[tuple[str, bytes]]:
    """Broker, results and cache: the names of keys and whatever they hold."""
    parts: dict[bytes, Callable[[bytes], Iterable[Any]]] = {
        b"string": lambda key: [server.get(key) or b""],
        b"list": lambda key: server.lrange(key, 0, -1),
        b"set": server.smembers,
        b"zset": lambda key: server.zrange(key, 0, -1),
        b"hash": lambda key: chain.from_iterable(server.hgetall(key).items()),
    }
    for key in server.scan_iter():
        yield "redis key", key
        kind = server.type(key)
        assert isinstance(kind, bytes)
        for value in parts[kind](key):
            yield f"redis {key!r}", value


def in_sessions() -> Iterator[tuple[str, bytes]]:
    """As they are read, not as they are packed."""
    for session in Session.objects.all():
        yield "session", json.dumps(session.get_decoded(), ensure_ascii=False).encode()


def in_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        yield "name of a file", str(path.relative_to(folder)).encode()
        if path.is_file():
            yield str(path), path.read_bytes()


def places_of(server: redis.Redis, *folders: Path) -> set[str]:
    """Where any of the names is found."""
    stored = [*in_tables(), *in_redis(server), *in_sessions()]
    stored += [found for folder in folders for found in in_files(folder)]
    return {place for place, content in stored if ANY.search(content)}


def test_it_finds_a_name_wherever_it_is_written(broker, tmp_path):
    make.contact(ADDRESS)
    cache.set("seen", {"who": ADDRESS})
    broker.rpush("default", base64.b64encode(b'[{"to": "' + ADDRESS.encode() + b'"}]'))
    client = Client()
    session = client.session
    session["asked"] = "Zelda"
    session.save()
    (tmp_path / "notes.csv").write_text(f"x,{ADDRESS}")
    found = places_of(broker, tmp_path)
    assert {"contacts_identity", "session", str(tmp_path / "notes.csv")} <= found
    assert {place.startswith("redis") and "seen" in place for place in found} == {True, False}
    assert "redis b'default'" in found


def test_it_leaves_no_trace_in_what_staff_wrote(broker, officer, settings, tmp_path):
    """Of others, of files, of lists: free words are blanked, and the trail, which stays, holds none."""
    settings.ASSENT_VAR = tmp_path / "var"
    settings.ASSENT_JOURNAL = tmp_path / "journal"
    whole = "Zelda Quillfeather"
    person = make.contact(ADDRESS, first_name="Zelda", last_name="Quillfeather", phone=NUMBER)
    other = make.contact("bo@example.org")
    for kind, named in (("staticlist", f"Fair of {whole}"), ("segment", f"As {ADDRESS}")):
        page = reverse(f"admin:contacts_{kind}_add")
        assert officer.post(page, {"name": named, "rule": "{}"}).status_code == 302
    asked = {"reason": f"Looked for {whole}", "segment": Segment.objects.get().pk}
    officer.post(reverse("admin:contacts_export_add"), asked)
    officer.post(
        reverse("admin:contacts_contact_show_name", args=[other.pk]),
        {"reason": f"A friend of {whole}, {NUMBER}"},
    )
    hold = {"person": str(other.subject), "reason": f"{ADDRESS} sued them"}
    officer.post(reverse("admin:contacts_hold_add"), hold)
    rights.receive(contact=other, kind="access", how=f"Came with the letter of {whole}")
    file = SimpleUploadedFile(f"{ADDRESS}.csv", b"email\nbo@example.org\n")
    officer.post(reverse("admin:consent_importbatch_add"), {"file": file, "kind": "people"})
    ImportBatch.objects.update(source=f"Quillfeather, Zelda told us, {ADDRESS}")
    assert {
        "contacts_staticlist", "contacts_segment", "contacts_export", "contacts_identityview",
        "contacts_hold", "contacts_subjectrequest", "consent_importbatch",
    } <= places_of(broker)  # fmt: skip
    rights.erase(contact=person)
    assert places_of(broker, tmp_path) == set()
    assert StaticList.objects.get().name == f"Fair of #{StaticList.objects.get().pk}"
    assert SubjectRequest.objects.get().how.startswith("Came with the letter of #")


def test_it_leaves_no_trace_of_a_whole_story(broker, sink, officer, settings, tmp_path, capfd):
    settings.ASSENT_VAR = tmp_path / "var"
    settings.ASSENT_JOURNAL = tmp_path / "journal"
    news = make.topic()
    make.organization()
    make.field("city", is_asked_at_sign_up=True)
    words = make.wording(news)

    # They sign up, confirm, look, and correct what is held.
    form = {"email": ADDRESS, "yes": words.digest, "stamp": stamp(), "website": ""}
    stranger().post("/join/", form | {"field-city": CITY})
    [confirm] = mailed("confirm")
    stranger().post(confirm)
    person = Contact.objects.get()
    assert person.attributes == {"city": CITY}
    page = f"/preferences/{manage_link(person)}/data/"
    stranger().post(page, {"ask": "correct", "words": f"I am Zelda Quillfeather, {NUMBER}"})
    contacts.update_contact(
        contact=person, first_name="Zelda", last_name="Quillfeather", phone=NUMBER
    )
    stranger().post("/preferences/", {"email": ADDRESS, "stamp": stamp(), "website": ""})
    service_mail.sweep()

    # Staff find them, see them, take them out, import them again, and send.
    officer.post(reverse("admin:contacts_contact_find"), {"person": ADDRESS})
    reason = {"reason": f"Zelda Quillfeather wrote from {ADDRESS}"}
    officer.post(reverse("admin:contacts_contact_show_name", args=[person.pk]), reason)
    officer.get(reverse("admin:contacts_contact_change", args=[person.pk]))
    officer.post(reverse("admin:contacts_export_add"), reason)
    taken = officer.post(reverse("admin:contacts_export_fetch", args=[Export.objects.get().pk]))
    assert ADDRESS.encode() in b"".join(taken.streaming_content)
    file = SimpleUploadedFile(
        "people.csv", f"email,phone,name\n{ADDRESS},+33612,Zelda Quillfeather\n".encode()
    )
    officer.post(reverse("admin:consent_importbatch_add"), {"file": file, "kind": "people"})
    batch = ImportBatch.objects.get()
    columns = {"column-0": "email", "column-1": "phone", "column-2": "name"}
    declared = {"acquisition": "own", "language": "en"}
    officer.post(reverse("admin:consent_importbatch_columns", args=[batch.pk]), columns | declared)
    officer.get(reverse("admin:consent_importbatch_preview", args=[batch.pk]))
    officer.post(reverse("admin:consent_importbatch_run", args=[batch.pk]))
    tasks.run_import(batch_id=batch.pk)
    campaign = engine.work(engine.started(make.campaign(news)))
    assert [taken.recipient for taken in sink.taken()] == [ADDRESS]
    Delivery.objects.filter(campaign=campaign).update(diagnostic=f"250 <{ADDRESS}> taken")
    assert {"contacts_identity", "contacts_identityview", "consent_refusedrow"} <= places_of(broker)

    # They have themselves erased; what was in the outbox went long ago.
    service_mail.sweep()
    stranger().post(f"/preferences/{manage_link(person)}/data/erase/", {"do": "erase"})
    person.refresh_from_db()
    assert person.erased_at
    assert places_of(broker, tmp_path) == set()
    said = capfd.readouterr()
    assert not ANY.search((said.out + said.err).encode())
    assert mail.outbox
