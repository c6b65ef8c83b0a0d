"""Holds the embedded engines for entry points; does nothing where both addresses are configured."""

import os
import sys
from collections.abc import Sequence

from config import embedded, environment

WITHOUT_ENGINES = frozenset({"check", "compilemessages", "help", "makemessages", "version"})


def needed_by(arguments: Sequence[str]) -> bool:
    """Whether the management command of these arguments talks to the engines."""
    return bool(arguments) and not arguments[0].startswith("-") and arguments[0] not in WITHOUT_ENGINES


def hold() -> None:
    """Start what is not configured and keep it until this process ends; exit with a sentence if it cannot."""
    postgresql, redis = "DATABASE_URL" not in os.environ, "REDIS_URL" not in os.environ
    if not (postgresql or redis):
        return
    try:
        embedded.hold(environment.var(), postgresql=postgresql, redis=redis)
    except embedded.EngineError as error:
        sys.exit(f"assent: {error}")
