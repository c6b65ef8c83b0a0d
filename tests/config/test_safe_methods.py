"""GET, HEAD and OPTIONS write nothing, on any address that the URL configuration knows."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from campaigns import measurement
from campaigns.models import Delivery, Hit
from consent import links, sealing, services
from consent.sms import short_links
from contacts import rights
from contacts.models import Channel, Contact, IdentityView
from tests import make
from tests.campaigns import measuring
from tests.consent.public import manage_link, stop_link

pytestmark = pytest.mark.django_db
WRITE = re.compile(
    r"\b(INSERT|UPDATE|DELETE|TRUNCATE|MERGE|ALTER|DROP|CREATE|NEXTVAL)\b", re.IGNORECASE
)
# A row lock is not a write, and neither is a savepoint.
LOCK = re.compile(r"\bFOR (NO KEY )?UPDATE\b", re.IGNORECASE)


def patterns(resolver=None, prefix=""):
    """Every pattern as (route, name), the prefixes of its includes in front."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.name or ""


def paths(tokens):
    for route, name in patterns():
        route = re.sub(r"<int:\w+>", "1", route)
        route = re.sub(r"\(\?P<\w+>(?:[^()]|\([^()]*\))*\)|\(\?:[^()]*\)\??", "1", route)
        for token in tokens.get(name, ["1"]):
            path = re.sub(r"<(\w+:)?(?P<name>\w+)>", token, route)
            yield "/" + re.sub(r"\\[AZz]|[\^$?]|\\(?=[./-])", "", path).lstrip("/")


def measured_campaign(ada, news):
    """Sent to Ada, who permits measurement, and to others who do not."""
    measuring.permit(ada)
    campaign = measuring.campaign(news)
    measurement.write_down(campaign)
    for contact in Contact.objects.all():
        Delivery.objects.create(campaign=campaign, contact=contact, is_measured=contact == ada)
    return campaign


# What a GET may write: a hit of somebody who permits that, and that they were active.
A_HIT = re.compile(
    r"\bINSERT INTO campaigns_hit\b.*\bUPDATE contacts_contact SET last_active_at = now\(\)\s+WHERE",
    re.DOTALL,
)


def test_it_writes_nothing_when_it_is_only_looked_at(settings):
    settings.DEBUG = False
    make.organization()
    news = make.topic()
    ada, bo = make.contact("ada@example.org"), make.contact("bo@example.org")
    make.granted(ada, news)
    services.request_consent(email="bo@example.org", wordings=[make.wording(news)], language="en")
    taken = make.withdrawn(make.contact(), news)
    confirm = links.manage_token(
        "confirm",
        lifetime_s=600,
        address=bo.addresses.get().pk,
        wordings=[make.wording(news).pk],
    )
    undo = links.manage_token("undo", lifetime_s=600, event=taken.pk, contact=ada.pk)
    stop = stop_link(ada, news.key)
    short = short_links.mint("confirm", confirm)
    short_links.keep([short])
    moving = links.manage_token(
        "new_address", lifetime_s=600, contact=ada.pk, email="ada@new.example"
    )
    campaign = measured_campaign(ada, news)
    hit = links.hit_token(links.Hit(campaign.pk, campaign.deliveries.get(contact=ada).pk, 2**40))
    unmeasured = links.hit_token(
        links.Hit(campaign.pk, campaign.deliveries.get(contact=bo).pk, 2**40)
    )
    tokens = {
        "lead_on": [hit, unmeasured, "x"],
        "pixel": [hit, unmeasured, "x"],
        "new_address": [moving, "x"],
        "view_in_browser": [stop, "x"],
        "stop": [stop, "x"],
        "ask_by_stop_link": [stop, "x"],
        "confirm": [confirm, "x"],
        "undo": [undo, "x"],
        "preferences": [manage_link(ada), "x"],
        "short_link": [short.url.rpartition("/")[2], "x"],
        "my_data": [manage_link(ada), "x"],
        "erase": [manage_link(ada), "x"],
        "my_data_download": [manage_link(ada), "x"],
    }
    seen = list(paths(tokens))
    assert {"/", "/join/", f"/u/{stop}/", f"/confirm/{confirm}/"} <= set(seen)
    writes, counted = [], []
    for path in seen:
        for method in ("GET", "HEAD", "OPTIONS", "PROPFIND"):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                answer = Client(raise_request_exception=False).generic(method, path)
            # No worker and no beat run here, and the health page says so.
            is_healthy = answer.status_code < 500 or path == "/healthz"
            assert is_healthy, f"{method} {path} answered {answer.status_code}"
            for query in queries:
                if A_HIT.search(query["sql"]):
                    counted.append(f"{method} {path}")
                elif WRITE.search(LOCK.sub("", query["sql"])):
                    writes.append(f"{method} {path}: {query['sql'][:200]}")
    assert writes == []
    assert sorted(counted) == [f"GET /k/{hit}/1/", f"GET /o/{hit}.gif"]
    assert Hit.objects.count() == 2
    assert not ada.permissions.get(topic=news).stopped
    assert bo.permissions.get(topic=news, channel=Channel.EMAIL).state == "pending"


# What the sign-in itself keeps of a session is no act on anybody's data.
OF_THE_SESSION = re.compile(r'"django_session"|"auth_user" SET "last_login"')


def test_it_writes_nothing_when_a_privacy_officer_only_looks_at_the_desk(client):
    """Also once the view of a person is open: to open it was a POST, to look again is nothing."""
    make.organization()
    ada = make.contact("ada@example.org")
    event = make.granted(ada, make.topic())
    sealing.seal()
    asked = rights.receive(contact=ada, kind="erasure")
    client.force_login(make.officer())
    show_name = reverse("admin:contacts_contact_show_name", args=[ada.pk])
    client.post(show_name, {"reason": "She asked by phone"})
    of_one = {"contacts/contact": ada.pk, "contacts/subjectrequest": asked.pk}
    seen, writes = 0, []
    for route, _name in patterns():
        if not route.startswith("admin/") or "^" in route:
            continue
        app_model = "/".join(route.split("/")[1:3])
        key = str(of_one.get(app_model, event.pk))
        path = "/" + re.sub(r"<(\w+:)?\w+>", key, route)
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(path)
        seen += answer.status_code == 200
        assert answer.status_code < 500, path
        writes += [
            f"{path}: {query['sql'][:200]}"
            for query in queries
            if WRITE.search(LOCK.sub("", query["sql"])) and not OF_THE_SESSION.search(query["sql"])
        ]
    assert seen > 50
    assert writes == []
    assert IdentityView.objects.count() == 1
