"""Attacks that no other test tries, and that every defence the security page names is held by a test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.apps import apps
from django.conf import settings as django_settings
from django.db import models
from django.test import Client
from django.urls import reverse

from campaigns import services as campaigns
from config import environment
from tests import make
from tests.config.test_staff_login import PASSWORD

pytestmark = pytest.mark.django_db
OWN = ("campaigns", "config", "consent", "contacts")
ADDRESS = re.compile(rb"[\w.+-]+@[\w-]+\.\w+")


def sources() -> Iterator[tuple[Path, ast.AST]]:
    for app in OWN:
        for path in sorted((environment.ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(environment.ROOT), ast.parse(path.read_text())


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_defence_that_the_security_page_names_is_held_by_a_test():
    page = (environment.ROOT / "docs" / "security.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 50
    for path, test in named:
        source = (environment.ROOT / path).read_text()
        assert not test or f"def {test}(" in source, f"{path}::{test}"


# Sessions and forms of staff


def test_it_gives_a_new_session_when_somebody_signs_in(client):
    make.staff("olga")
    client.get("/account/login/")
    session = client.session
    session["planted"] = "yes"
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = before or ""
    client.post("/account/login/", {"login": "olga", "password": PASSWORD})
    assert client.session.session_key != before


@pytest.mark.parametrize("door", ["/account/login/", "/admin/contacts/tag/add/", "/api/contacts/"])
def test_it_takes_no_form_that_another_site_posts(door):
    visitor = Client(enforce_csrf_checks=True)
    visitor.force_login(make.staff("olga"))
    answer = visitor.post(door, {"name": "fair"}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize("door", ["/account/login/", "/admin/login/"])
@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
def test_it_sends_nobody_elsewhere_after_sign_in(client, door, target):
    make.staff("olga")
    page = client.get(door, {"next": target}, follow=True)
    where = page.redirect_chain[-1][0] if page.redirect_chain else f"{door}?next={target}"
    answer = client.post(
        where, {"login": "olga", "password": PASSWORD, "next": target}, follow=False
    )
    assert "evil" not in answer.headers["Location"]
    assert "javascript" not in answer.headers["Location"]


@pytest.mark.parametrize("path", ["/admin/", "/account/login/", "/api/contacts/", "/healthz"])
def test_it_lets_no_page_be_framed_or_guessed_or_run_foreign_scripts(client, path):
    client.force_login(make.staff("olga"))
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "http:" not in policy
    assert "*" not in policy


def test_it_marks_the_cookies_of_staff(client):
    make.staff("olga")
    client.get("/account/login/")
    client.post("/account/login/", {"login": "olga", "password": PASSWORD})
    for name in ("sessionid", "csrftoken"):
        assert client.cookies[name]["httponly"]
        assert client.cookies[name]["samesite"] == "Lax"
    assert not client.cookies["sessionid"]["max-age"]  # gone with the browser


def test_it_shows_markup_in_names_as_text(client):
    client.force_login(make.staff("olga"))
    contact = make.contact("ada@example.org", first_name="<img src=x onerror=alert(1)>")
    for page in (
        reverse("admin:contacts_contact_changelist"),
        reverse("admin:contacts_contact_change", args=[contact.pk]),
    ):
        assert "<img src=x" not in client.get(page).content.decode()


def test_it_answers_the_api_as_json_to_a_browser(client):
    client.force_login(make.staff("olga"))
    answer = client.get("/api/contacts/", headers={"accept": "text/html"})
    assert answer.headers["Content-Type"] == "application/json"


# Queues


@pytest.mark.django_db(transaction=True)
def test_it_puts_no_address_into_a_task(client):
    make.organization()
    topic = make.topic()
    make.staff("olga")
    queue = redis.Redis.from_url(django_settings.REDIS_URL)
    for name in ("default", "service", "deliver", "long"):
        queue.delete(name)
    words = make.wording(topic)
    client.post("/join/", {"email": "ada@example.org", "yes": words.digest})
    client.post(reverse("account_reset_password"), {"email": "olga@lumen.example"})
    make.granted(make.contact("bo@example.org"), topic)
    campaigns.schedule_campaign(campaign=make.campaign(topic), send_at=make.LONG_AGO, actor_id=None)
    queued = [
        message
        for name in ("default", "service", "deliver", "long")
        for message in queue.lrange(name, 0, -1)
    ]
    queue.close()
    assert queued
    for message in queued:
        # Celery names the sending process as gen<pid>@<host>.
        assert not ADDRESS.search(re.sub(rb'"origin": "[^"]*"', b"", message))
        assert b"example" not in re.sub(rb'"origin": "[^"]*"', b"", message)


def test_it_reads_nothing_but_json_from_a_queue():
    assert django_settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert django_settings.CELERY_TASK_SERIALIZER == "json"
    assert django_settings.CELERY_TASK_IGNORE_RESULT


# What the code never does


def test_it_takes_no_address_of_a_page_from_the_request():
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"build_absolute_uri", "get_host"}, path


def test_it_asks_no_other_server_for_anything():
    """No webhook, no remote image, no link is fetched: there is nothing to forge a request with.

    quickstart browses its own pages, the transport knows the errors of the providers' libraries, texts go to
    the one gateway of the settings, and the development mailbox answers on this machine only.
    """
    clients = {"requests", "httpx", "urllib.request", "http.client", "aiohttp"}
    asking = {str(path) for path, tree in sources() if imported(tree) & clients}
    assert asking <= {
        "campaigns/transports/backend.py",
        "config/mailbox/texts.py",
        "config/mailbox/views.py",
        "config/quickstart/browsing.py",
        "consent/sms/gateway.py",
    }


def test_it_unpickles_and_evaluates_nothing():
    for path, tree in sources():
        assert not imported(tree) & {"pickle", "marshal", "shelve", "yaml"}, path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec"}, path


def test_it_writes_tables_for_spreadsheets_through_the_defused_writer_only():
    for path, tree in sources():
        for node in ast.walk(tree):
            is_writer = isinstance(node, ast.Attribute) and node.attr in {"writer", "DictWriter"}
            assert not is_writer or "defusedcsv" in imported(tree), path


def test_it_keeps_no_uploaded_file():
    """Files that people upload are read and left; images are kept as what Pillow made of their pixels."""
    for app in OWN:
        for model in apps.get_app_config(app).get_models():
            for field in model._meta.get_fields():
                assert not isinstance(field, models.FileField), field
    saving = {
        str(path)
        for path, tree in sources()
        if "django.core.files.storage.storages" in imported(tree)
    }
    assert saving == {"campaigns/images.py"}


SECRET = re.compile(r"secret|token|password|hmac|bound_to|check_value|signature", re.IGNORECASE)


def named(node: ast.expr) -> str:
    """What an operand is called: `token.digest` is a digest, `check(token)` a check."""
    match node:
        case ast.Call(func=func):
            return named(func)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
    return ""


def test_it_compares_secrets_in_constant_time():
    found, compared = [], 0
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "compare_digest":
                compared += 1
            if not isinstance(node, ast.Compare):
                continue
            is_equality = any(isinstance(each, ast.Eq | ast.NotEq) for each in node.ops)
            if is_equality and any(
                SECRET.search(named(each)) for each in (node.left, *node.comparators)
            ):
                found.append(f"{path}:{node.lineno} {ast.unparse(node)}")
    assert compared > 3
    # One spelling of a link is taken: what is compared is no secret, and comes from the link itself.
    assert [each for each in found if not each.startswith("consent/links.py:")] == []
