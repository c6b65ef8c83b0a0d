"""What every entry point does first: hold the embedded engines, and refuse to start with a sentence."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError
from kombu.exceptions import OperationalError as BrokerError
from psycopg.errors import UndefinedColumn, UndefinedTable

from config import embedded, environment

WITHOUT_ENGINES = frozenset(
    {"check", "compilemessages", "help", "make_keys", "makemessages", "version"}
)


def needed_by(arguments: Sequence[str]) -> bool:
    """Whether the management command of these arguments talks to the engines."""
    return (
        bool(arguments) and not arguments[0].startswith("-") and arguments[0] not in WITHOUT_ENGINES
    )


def hold() -> None:
    """Start what is not configured and keep it until this process ends; raises `EngineError`."""
    missing = {name for name in ("DATABASE_URL", "REDIS_URL") if name not in os.environ}
    if missing:
        embedded.hold(
            environment.var(),
            postgresql="DATABASE_URL" in missing,
            redis="REDIS_URL" in missing,
        )


@contextmanager
def refusals_as_sentences() -> Iterator[None]:
    """End the process with one sentence where settings are bad or an engine cannot be reached."""
    try:
        yield
    except (embedded.EngineError, ImproperlyConfigured) as error:
        sys.exit(f"assent: {error}")
    except OperationalError as error:
        sys.exit(f"assent: The database cannot be used: {_first_line(error)}")
    except ProgrammingError as error:
        if not isinstance(error.__cause__, UndefinedTable | UndefinedColumn):
            raise
        sys.exit("assent: The tables are not those of this release: run `manage.py migrate`.")
    except (redis.ConnectionError, BrokerError) as error:
        sys.exit(f"assent: Redis cannot be reached: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
