"""Hands one text message to the SMS gateway and says exactly what became of it.

It speaks Twilio's Messages API (form POST, basic authentication, JSON), which other providers take, too.
Of an answer only numbers are kept: the provider's sentences quote the recipient.
"""

import hmac
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from consent.sms.signature import LOOPBACK, sign
from contacts.models import Sentence

CONNECT_S = 5.0
ANSWER_S = 15.0

# https://www.twilio.com/docs/api/errors: what speaks of our account or sender, and would for everybody
_OURS = frozenset(
    {20003, 20404, 21212, 21603, 21606, 21607, 21618, 21659, 21660, 21661, 21703, 21704, 21705}
)
_LATER = frozenset({14107, 20429, 21611})
_OF_MESSAGES = range(21000, 22000)
_REPLIED_STOP = 21610
_DENIED = frozenset({401, 402, 403, 404})
_FAILED = frozenset({"failed", "undelivered", "canceled"})


class Answer(StrEnum):
    """`deferred`: not taken now. `unknown`: the request left, and nobody knows what became of it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Handed:
    """What became of a text: the provider's id, and its own error code or else the HTTP status (0: none)."""

    answer: Answer
    provider_id: str = ""
    code: int = 0

    @property
    def replied_stop(self) -> bool:
        """The provider knows a STOP from this number that we may have missed."""
        return self.code == _REPLIED_STOP


class GatewayDown(Exception):
    """The gateway takes no texts now, or none of ours; nothing was handed over."""

    def __init__(self, reason: Sentence) -> None:
        super().__init__(reason)
        self.reason = reason


class Gateway:
    """The gateway of the settings, over one kept connection."""

    def __init__(self, *, answer_s: float = ANSWER_S) -> None:
        if not settings.SMS_GATEWAY_URL:
            raise GatewayDown(Sentence("no SMS gateway is configured (SMS_URL)"))
        self._url = (
            f"{settings.SMS_GATEWAY_URL}/2010-04-01/Accounts/{settings.SMS_ACCOUNT}/Messages.json"
        )
        self._timeout = (min(CONNECT_S, answer_s), answer_s)
        self._session = requests.Session()
        self._session.auth = (settings.SMS_ACCOUNT, settings.SMS_AUTH_TOKEN)
        # What runs on this machine is not behind a proxy.
        self._session.trust_env = urlsplit(self._url).hostname not in LOOPBACK

    def send(self, *, to: str, text: str, sender: str, report_to: str = "") -> Handed:
        """Hand over one text; `report_to` is the address that the provider reports on it to.

        Raises `GatewayDown`.
        """
        origin = "MessagingServiceSid" if is_service(sender) else "From"
        form = {"To": to, origin: sender, "Body": text}
        if report_to:
            form["StatusCallback"] = report_to
        try:
            response = self._session.post(
                self._url, data=form, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            if _never_connected(error):
                raise GatewayDown(Sentence("cannot connect to the SMS gateway")) from None
            return Handed(Answer.UNKNOWN)
        return _judged(response.status_code, _body(response))

    def close(self) -> None:
        self._session.close()


def is_service(sender: str) -> bool:
    """Whether a sender is a pool of numbers at the provider, not one number or name."""
    return sender.startswith("MG") and len(sender) == 34


def is_signed(*, url: str, form: Mapping[str, Sequence[str]], signature: str) -> bool:
    """Whether a webhook comes from the gateway (X-Twilio-Signature).

    `url` is our public address of the webhook as the provider knows it, `form` every posted value by name.
    """
    if not settings.SMS_AUTH_TOKEN:
        return False
    expected = sign(url, form, token=settings.SMS_AUTH_TOKEN)
    return hmac.compare_digest(expected.encode(), signature.encode())


def _body(response: requests.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _judged(status: int, body: Mapping[str, Any]) -> Handed:
    said = body.get("code") or body.get("error_code")
    code = said if isinstance(said, int) else status
    if 200 <= status < 300:
        if not isinstance(body.get("sid"), str):
            return Handed(Answer.UNKNOWN, code=status)
        is_refused = body.get("status") in _FAILED
        return Handed(
            Answer.REFUSED if is_refused else Answer.ACCEPTED,
            body["sid"],
            code if is_refused else 0,
        )
    is_denied = status in _DENIED and code not in _OF_MESSAGES
    if is_denied or code in _OURS or status < 400:
        words = Sentence("the SMS gateway refuses our account or sender: HTTP %(status)s, %(code)s")
        raise GatewayDown(words % {"status": status, "code": code})
    if status in {408, 429, 503} or code in _LATER:
        return Handed(Answer.DEFERRED, code=code)
    if status < 500:
        return Handed(Answer.REFUSED, code=code)
    # The API itself says that it failed; a proxy in front of it does not know how far the text came.
    return Handed(Answer.DEFERRED if said else Answer.UNKNOWN, code=code)


def _never_connected(error: requests.RequestException) -> bool:
    """Certainly not: a connection that broke later may have carried the request."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    cause = reason.args[0] if isinstance(reason, Exception) and reason.args else None
    if isinstance(cause, ssl.SSLCertVerificationError):
        return True
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError", "ProxyError"}
