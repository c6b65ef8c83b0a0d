"""Real PostgreSQL and Redis for a bare machine: on Unix sockets, with everything below a var folder.

Each engine has a supervisor process, which stops it when the last process that holds it has ended,
however that process ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from config.embedded.engines import PostgreSQL, Redis
from config.embedded.errors import EngineError
from config.embedded.holding import hold_engines
from config.embedded.places import Places

__all__ = ["Addresses", "EngineError", "addresses", "hold"]


@dataclass(frozen=True)
class Addresses:
    """Where the engines of a var folder listen, as libpq, redis-py and Celery want it."""

    database_url: str
    redis_url: str
    celery_url: str


def addresses(var: Path) -> Addresses:
    """Where the engines of that folder listen once they run; starts and creates nothing."""
    return _addresses(Places.of(var))


def hold(
    var: Path,
    *,
    postgresql: bool = True,
    redis: bool = True,
    options: Mapping[str, str] | None = None,
) -> Addresses:
    """Return when the engines take work; they run at least until this process and its forks end.

    The first start makes the data folder (1-3 s); later ones take less than a second, after a crash
    as long as the recovery needs. `options` are settings for the PostgreSQL server and count only
    where it does not run yet. May be called again, also in a fork. Raises EngineError.
    """
    places = Places.of(var)
    engines = [PostgreSQL(places, options)] if postgresql else []
    hold_engines(places, [*engines, *([Redis(places)] if redis else [])])
    return _addresses(places)


def _addresses(places: Places) -> Addresses:
    redis = quote(str(Redis(places).socket_path))
    return Addresses(
        database_url=f"postgresql://assent@:5432/assent?host={quote(str(places.sockets), safe='')}",
        redis_url=f"unix://{redis}",
        celery_url=f"redis+socket://{redis}",
    )
