"""The product's settings on engines of the tests: configured ones, else embedded ones of their own."""

import os

from config import embedded, environment

# Tests that run side by side (pytest-xdist) have engines of their own each.
os.environ["ASSENT_VAR"] = str(
    environment.var() / f"tests{os.environ.get('PYTEST_XDIST_WORKER', '')}"
)
embedded.hold(
    environment.var(),
    postgresql="DATABASE_URL" not in os.environ,
    redis="REDIS_URL" not in os.environ,
    options={"fsync": "off"},
)

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
