"""How a gateway that speaks Twilio's API signs what it reports, also for programs that load no models."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def sign(url: str, form: Mapping[str, Sequence[str]], *, token: str) -> str:
    """Base64 of HMAC-SHA1, keyed by the account's token, over the address and the sorted form."""
    said = url + "".join(
        f"{name}{value}" for name in sorted(form) for value in sorted(set(form[name]))
    )
    keyed = hmac.new(token.encode(), said.encode(), hashlib.sha1)
    return base64.b64encode(keyed.digest()).decode()
