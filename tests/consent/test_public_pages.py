"""What every public page promises: headers, language, no cookie, and a clear word when something is down."""

import base64
import logging
import re
from urllib.parse import unquote

import pytest
import redis
from django.core import mail
from django.db import connection
from django.urls import get_resolver

from consent import budgets, links
from consent.models import ConsentEvent
from tests import make
from tests.consent.public import mailed, manage_link, stamp, stop_link, stranger

ADDRESSES = [
    "/",
    "/join/",
    "/join/embed/",
    "/preferences/",
    "/u/x/",
    "/m/x/",
    "/confirm/x/",
    "/undo/x/",
    "/preferences/x/",
    "/preferences/x/data/",
    "/preferences/x/data/erase/",
    "/preferences/x/data.json",
    "/address/x/",
    "/renew/x/",
    "/s/x",
    "/s/x/",
    "/sms/inbound/",
    "/nowhere/",
]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PROPFIND"])
def test_it_sends_the_same_strict_headers_and_no_cookie(path, method, settings):
    settings.DEBUG = False
    answer = stranger(cookie="sessionid=x; csrftoken=y; django_language=fr").generic(method, path)
    policy = answer["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Language"] == "en"
    assert "Cookie" not in answer.get("Vary", "")
    assert not answer.cookies


def test_it_is_tried_on_every_pattern_of_the_public_pages():
    consent = next(
        r for r in get_resolver().url_patterns if getattr(r, "namespace", "") == "consent"
    )
    patterns = {"/" + re.sub(r"<[^>]+>", "x", str(p.pattern)) for p in consent.url_patterns}
    assert patterns <= set(ADDRESSES)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accepted", "asked", "language"),
    [("fr-CA,fr;q=0.9", "", "fr"), ("fr", "en", "en"), ("xx", "", "en"), ("fr", "../x", "fr")],
)
def test_it_speaks_the_language_asked_for_and_then_the_browser_s(accepted, asked, language):
    path = f"/join/?language={asked}" if asked else "/join/"
    assert stranger(accept_language=accepted).get(path)["Content-Language"] == language


@pytest.mark.django_db
def test_it_speaks_the_person_s_language_on_a_page_of_theirs():
    news = make.topic()
    ada = make.contact(language="fr")
    for path in (f"/u/{stop_link(ada, news.key)}/", f"/preferences/{manage_link(ada)}/"):
        assert stranger(accept_language="en").get(path)["Content-Language"] == "fr"
        assert stranger().get(path + "?language=en")["Content-Language"] == "en"


@pytest.mark.django_db
def test_it_takes_no_link_host_from_the_request(settings):
    settings.ALLOWED_HOSTS = ["*"]
    make.wording(make.topic())
    page = stranger().get("/join/embed/", SERVER_NAME="evil.example").content.decode()
    assert "evil" not in page
    assert "http://localhost:8000/join/" in page


@pytest.mark.django_db
def test_it_names_nobody_in_a_token():
    ada = make.contact("ada@example.org")
    token = stop_link(ada, make.topic().key)
    for text in (token, links._open("stop", token).decode("latin-1")):
        assert "ada@" not in text
    assert str(ada.subject) not in token


@pytest.mark.django_db(transaction=True)
def test_it_says_so_and_does_nothing_when_the_database_is_down():
    wording = make.wording(make.topic())
    token = stop_link(make.contact(), wording.topic.key)
    before = ConsentEvent.objects.count()
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        answers = [
            stranger().post(f"/u/{token}/", {"List-Unsubscribe": "One-Click"}),
            stranger().get("/join/"),
            stranger().post("/join/", {"email": "a@example.org", "stamp": stamp()}),
        ]
    finally:
        connection.settings_dict["HOST"] = host
        connection.close()
    for answer in answers:
        assert answer.status_code == 503
        assert "Our database does not answer" in answer.content.decode()
        assert answer["Retry-After"] == "60"
    assert ConsentEvent.objects.count() == before


@pytest.mark.django_db
def test_it_still_takes_sign_ups_and_withdrawals_when_redis_is_down(monkeypatch):
    nowhere = redis.Redis(unix_socket_path="/nowhere")
    monkeypatch.setattr(budgets, "_redis", lambda: nowhere)
    news = make.topic()
    wording = make.wording(news)
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    form = {"email": "bo@example.org", "yes": wording.digest, "stamp": stamp()}
    assert stranger().post("/join/", form).status_code == 200
    path = f"/u/{stop_link(ada, news.key)}/"
    assert stranger().post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert ConsentEvent.objects.latest("pk").kind == "withdrawn"


@pytest.mark.django_db
def test_it_writes_no_address_into_a_link_a_log_or_an_address_of_a_page(caplog, settings, tmp_path):
    """A person walks through every page; nobody on the way, and no log, learns the address."""
    settings.ASSENT_VAR = tmp_path
    caplog.set_level(logging.DEBUG)
    make.organization()
    news = make.topic()
    words = make.wording(news).digest
    walked = stranger()
    pages = [walked.post("/join/", {"email": "ada@hidden.example", "yes": words, "stamp": stamp()})]
    [confirm] = mailed("confirm")
    pages += [walked.get(confirm), walked.post(confirm)]
    pages.append(walked.post("/preferences/", {"email": "ada@hidden.example"}))
    [manage] = mailed("preferences")
    pages += [
        walked.get(manage),
        walked.post(manage, {"do": "address", "email": "new@hidden.example"}),
    ]
    [moving] = mailed("address")
    pages += [walked.get(f"{manage}data/"), walked.get(f"{manage}data/erase/"), walked.post(moving)]
    pages.append(walked.post(mailed("u")[0], {"page": "1", "stop": "topic"}))
    pages.append(walked.post(f"{manage}data/erase/", {"do": "erase"}))
    sent = " ".join(str(letter.body) for letter in mail.outbox)
    links_seen = set(re.findall(r"https?://\S+", sent)) | {
        link
        for page in pages
        for link in re.findall(r'(?:href|action|src)="([^"]*)"', page.content.decode())
        if not link.startswith("mailto:")
    }
    assert len(links_seen) > 10
    for link in links_seen:
        assert "hidden" not in plain(link)
    assert "hidden" not in caplog.text


def plain(link):
    """A link with what its parts might hide: percent signs and base64."""
    told = unquote(link)
    for part in re.findall(r"[A-Za-z0-9_-]{8,}", link):
        told += base64.urlsafe_b64decode(part[: len(part) // 4 * 4]).decode("latin-1")
    return told
