"""`check --deploy` is clean with production settings, and says each thing that would make it unsafe."""

import os
import subprocess
import sys

import pytest
from django.core.checks import run_checks

from config import environment, keys
from tests import make

PRODUCTION = {
    "DATABASE_URL": "postgresql://assent:secret@db.lumen.example/assent",
    "REDIS_URL": "rediss://redis.lumen.example:6379/0",
    "PUBLIC_URL": "https://news.lumen.example",
    "EMAIL_URL": "smtp+starttls://user:secret@mail.lumen.example",
    "DEFAULT_FROM_EMAIL": "Lumen Books <news@lumen.example>",
    "TRUSTED_PROXIES": "1",
    "SMS_URL": "https://AC1:secret@api.twilio.com",
    "SMS_FROM": "Lumen",
    "SMS_COUNTRIES": "FR,BE",
}


def check(tmp_path, **changed):
    return subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "manage.py",
            "check",
            "--deploy",
            "--fail-level",
            "WARNING",
        ],
        cwd=environment.ROOT,
        env={
            "PATH": os.environ["PATH"],
            "ASSENT_VAR": str(tmp_path),
            **keys.fresh(),
            **PRODUCTION,
            **changed,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_clean_when_production_is_set_up(tmp_path):
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


# Each set of faults in one start: faults that do not hide each other.
UNSAFE = [
    {
        "PUBLIC_URL": ("http://news.lumen.example", "assent.E003"),
        "STAFF_MFA_REQUIRED": ("False", "assent.E005"),
        "EMAIL_URL": ("smtp://mail.lumen.example", "assent.E006"),
        "DEFAULT_FROM_EMAIL": ("news@localhost", "assent.W008"),
        "SMS_URL": ("http://AC1:secret@api.twilio.com", "assent.E013"),
        "DEBUG": ("True", "security.W018"),
        "DATABASE_URL": ("", "assent.E002"),
    },
    {
        "PUBLIC_URL": ("https://localhost", "assent.E004"),
        "EMAIL_BACKEND": ("django.core.mail.backends.console.EmailBackend", "assent.E007"),
    },
    {"ASSENT_MAILBOX": ("var/mailbox", "assent.E007")},
    {"SMS_URL": ("AC1:secret@api.twilio.com", "SMS_URL must start with http")},
    {"SMS_URL": ("https://api.twilio.com", "SMS_URL needs account, token and host")},
    {"SMS_FROM": ("", "SMS_FROM and SMS_COUNTRIES must be")},
    {"SMS_COUNTRIES": ("FR,XX", "SMS_COUNTRIES names 'XX'")},
]


@pytest.mark.parametrize("faults", UNSAFE, ids=" ".join)
def test_it_refuses_what_would_make_it_unsafe(tmp_path, faults):
    done = check(tmp_path, **{variable: value for variable, (value, _found) in faults.items()})
    assert done.returncode == 1
    for _value, found in faults.values():
        assert found in done.stderr


def test_it_refuses_one_key_in_two_rings(tmp_path):
    fresh = keys.fresh()
    done = check(
        tmp_path,
        ASSENT_STOP_KEYS=fresh["ASSENT_MANAGE_KEYS"],
        ASSENT_MANAGE_KEYS=fresh["ASSENT_MANAGE_KEYS"],
    )
    assert "assent.E001" in done.stderr


def of_the_data():
    found = run_checks(tags=["database"], include_deployment_checks=True, databases=["default"])
    return {message.id for message in found if str(message.id).startswith("assent")}


@pytest.mark.django_db
def test_it_misses_organization_and_sender_when_there_are_none():
    assert of_the_data() == {"assent.W009", "assent.W010"}


@pytest.mark.django_db
def test_it_is_content_when_organization_and_sender_exist():
    make.organization()
    make.sender()
    assert of_the_data() == set()


@pytest.mark.django_db
def test_it_refuses_data_of_other_keys(settings):
    settings.ASSENT_KEYS = settings.ASSENT_KEYS | {"stop": {"other": b"x" * 32}}
    assert "assent.E011" in of_the_data()


@pytest.mark.django_db
def test_it_says_that_a_topic_is_offered_by_text_when_there_is_no_gateway(settings):
    make.organization()
    make.sender()
    make.topic()
    assert of_the_data() == {"assent.W012"}
    settings.SMS_GATEWAY_URL = "https://api.twilio.com"
    assert of_the_data() == set()
