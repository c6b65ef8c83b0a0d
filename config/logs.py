"""Keeps links and addresses out of the logs: they carry ids only."""

import logging
import re

TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}")
ADDRESS = re.compile(r"[^\s@<>\"'=:/]+@[^\s@<>\"',;]+\.[^\s@<>\"',;]+")


class WithoutSecrets(logging.Formatter):
    """Formats a record, then masks what could act for a person (a link's token) or name one."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


def mask(text: str) -> str:
    return ADDRESS.sub("…@…", TOKEN.sub("…", text))
