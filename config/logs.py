"""Keeps links and addresses out of the logs: they carry ids only."""

import logging
import re

TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}")
SHORT_LINK = re.compile(r"/s/[A-Za-z0-9]{8,}")
NUMBER = re.compile(r"(?:\+|%2B)[1-9]\d{6,14}\b")
ADDRESS = re.compile(r"[^\s@<>\"'=:/]+@[^\s@<>\"',;]+\.[^\s@<>\"',;]+")


class WithoutSecrets(logging.Formatter):
    """Formats a record, then masks what could act for a person (a link's token) or name one."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


def mask(text: str) -> str:
    text = SHORT_LINK.sub("/s/…", TOKEN.sub("…", text))
    return NUMBER.sub("+…", ADDRESS.sub("…@…", text))
