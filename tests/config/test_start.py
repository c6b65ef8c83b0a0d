"""A start that cannot work ends with one sentence, before anything is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import environment, keys

NOWHERE = {
    "DATABASE_URL": "postgresql://assent@127.0.0.1:9/assent?connect_timeout=3",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


def start(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=environment.ROOT,
        env=clean | {"ASSENT_VAR": os.environ["ASSENT_VAR"]} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def sentence(done: "subprocess.CompletedProcess[str]") -> str:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DEBUG": "perhaps"}, "DEBUG is 'perhaps'; write True or False."),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must start with"),
        ({"DATABASE_URL": "postgresql://host"}, "DATABASE_URL names no database"),
        ({"REDIS_URL": "http://x"}, "REDIS_URL must start with"),
        ({"EMAIL_URL": "smtp://"}, "EMAIL_URL names no host."),
        ({"EMAIL_URL": "smtp://host:port"}, "EMAIL_URL has a port that is no number."),
        ({"PUBLIC_URL": "localhost"}, "PUBLIC_URL must start with"),
        ({"DELIVERY_UNIT": "many"}, "DELIVERY_UNIT is 'many'; write a whole number."),
        ({"DELIVERY_UNIT": "0"}, "DELIVERY_UNIT is 0; the least is 1."),
        (
            {"ASSENT_STOP_KEYS": "k1:AAAA"},
            "ASSENT_STOP_KEYS holds a key of 3 bytes; 32 are needed.",
        ),
        ({"ASSENT_STOP_KEYS": "k1:?"}, "ASSENT_STOP_KEYS holds a key that is not base64."),
    ],
)
def test_it_refuses_a_bad_setting_with_one_sentence(variables, words):
    assert words in sentence(start("manage.py", "migrate", **keys.fresh() | variables))


def test_it_refuses_to_start_in_production_without_keys():
    said = sentence(start("manage.py", "migrate", **NOWHERE))
    assert "ASSENT_FINGERPRINT_KEYS" in said
    assert "manage.py make_keys" in said


def test_it_prints_keys_that_it_then_accepts():
    printed = start("manage.py", "make_keys").stdout
    assert set(re.findall(r"^(\w+)=", printed, re.MULTILINE)) == set(keys.NAMES)


def test_it_says_that_the_database_cannot_be_reached():
    said = sentence(start("manage.py", "migrate", **NOWHERE, **keys.fresh()))
    assert said.startswith("assent: The database cannot be used: ")
    assert "refused" in said


def test_it_says_so_too_when_the_web_server_starts():
    said = sentence(start("-c", "import config.wsgi", **NOWHERE, **keys.fresh()))
    assert said.startswith("assent: The database cannot be used: ")


def test_it_says_what_to_do_when_the_tables_are_not_there(tmp_path: Path):
    said = sentence(start("manage.py", "verify_ledger", ASSENT_VAR=str(tmp_path)))
    assert said.endswith("run `manage.py migrate`.")


def test_it_refuses_keys_that_the_data_was_not_made_with(tmp_path: Path):
    variables = {"ASSENT_VAR": str(tmp_path)}
    assert start("manage.py", "migrate", "-v0", **variables).returncode == 0
    other = keys.fresh()["ASSENT_STOP_KEYS"]
    said = sentence(start("-c", "import config.wsgi", ASSENT_STOP_KEYS=other, **variables))
    assert said == "assent: The stop key 'k1' is not the one the data was made with."
