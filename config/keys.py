"""The secrets of this installation: from the environment, or made once for development."""

import base64
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config import environment

RINGS = {
    "fingerprint": "ASSENT_FINGERPRINT_KEYS",
    "stop": "ASSENT_STOP_KEYS",
    "manage": "ASSENT_MANAGE_KEYS",
    "ledger": "ASSENT_LEDGER_KEYS",
}
NAMES = ("SECRET_KEY", *RINGS.values())


def load(*, development: bool) -> tuple[str, dict[str, dict[str, bytes]]]:
    """Return Django's secret key and the key rings (ring → id → 32 bytes, the last one is current).

    In development what the environment lacks comes from `keys.env` in the var folder, made on the
    first start with mode 0600. In production a missing key stops the start.
    """
    values = {name: environment.text(name) for name in NAMES}
    missing = [name for name, value in values.items() if not value]
    if missing:
        if not development:
            raise ImproperlyConfigured(
                f"{', '.join(missing)} must be set; `manage.py make_keys` prints a fresh set."
            )
        stored = _development_keys(environment.var() / "keys.env")
        values |= {name: stored[name] for name in missing}
    rings = {ring: environment.ring(name, values[name]) for ring, name in RINGS.items()}
    return values["SECRET_KEY"], rings


def fresh() -> dict[str, str]:
    """A new random value for every secret, as environment variables."""
    values = {"SECRET_KEY": secrets.token_urlsafe(48)}
    for name in RINGS.values():
        values[name] = f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    return values


def _development_keys(path: Path) -> dict[str, str]:
    if not path.exists():
        _write_once(path, "".join(f"{name}={value}\n" for name, value in fresh().items()))
    stored = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    if lacking := [name for name in NAMES if not stored.get(name)]:
        raise ImproperlyConfigured(f"{path} lacks {', '.join(lacking)}.")
    return stored


def _write_once(path: Path, text: str) -> None:
    """Write with mode 0600; of two processes that start together, the first one's file stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
