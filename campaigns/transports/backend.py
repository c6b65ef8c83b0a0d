"""Hands messages to any Django email backend, django-anymail's providers among them.

Slower than the SMTP transport. Of Django's own SMTP backend it sees how far a message had come when the
connection was lost; any other backend does not say, so that is `unknown`.
"""

import contextlib
import smtplib
import ssl
from collections.abc import Callable, Sequence

import requests
from anymail import exceptions as anymail
from django.core.mail import BadHeaderError, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend

from campaigns import replies
from campaigns.transports import NOT_TRIED, Envelope, Outcome, RelayDown, Result, masked, result
from contacts.models import Sentence

_OF_STATUS = {
    "sent": Outcome.SENT,
    "queued": Outcome.SENT,
    "invalid": Outcome.REFUSED,
    "rejected": Outcome.REFUSED,
    "failed": Outcome.DEFERRED,
}
_KEEPS_METADATA = frozenset(
    {
        "Amazon SES", "Brevo", "Mailgun", "Mailjet", "Mailtrap", "Mandrill", "Postmark", "Resend",
        "SendGrid", "SparkPost", "Unisender Go",
    }
)  # fmt: skip
# What these measure by themselves knows no permission: it is switched off for every message.
_MEASURES = frozenset(
    {
        "MailerSend", "Mailgun", "Mailjet", "Mandrill", "Postmark", "SendGrid", "SparkPost",
        "Unisender Go",
    }
)  # fmt: skip
_DENIED = frozenset({401, 402, 403, 404})
_LOST_BEFORE = Result(Outcome.DEFERRED, diagnostic=replies.LOST_BEFORE.text)


class BackendTransport:
    """Hands messages to one Django email backend; see `Transport`.

    `backend` is a dotted path, by default `EMAIL_BACKEND`; `options` go to its constructor. Raises
    `RelayDown` where there is no such backend, or it lacks its settings.
    """

    def __init__(self, backend: str | None = None, **options: object) -> None:
        try:
            self._connection: BaseEmailBackend = get_connection(
                backend, fail_silently=False, **options
            )
        except Exception as error:
            words = Sentence("cannot use the email backend: “%s”") % _words(error)
            raise RelayDown(words) from error
        self._progress: _Progress | None = None

    def hand_over(self, messages: Sequence[Envelope], *, go_on: Callable[[], bool]) -> list[Result]:
        """See `Transport.hand_over`."""
        results = [NOT_TRIED] * len(messages)
        if not messages or not go_on():
            return results
        self._open()
        for index, envelope in enumerate(messages):
            if not go_on():
                break
            try:
                results[index] = self._hand_over(envelope)
            except RelayDown as down:
                self.close()
                raise RelayDown(down.reason, results) from down
            if results[index].outcome is Outcome.UNKNOWN or results[index] == _LOST_BEFORE:
                self.close()
                break
        return results

    def _open(self) -> None:
        """A connection that lives: one that the relay closed while idle is replaced."""
        kept = getattr(self._connection, "connection", None)
        if isinstance(kept, smtplib.SMTP) and not _is_alive(kept):
            self.close()
        try:
            self._connection.open()
        except (OSError, smtplib.SMTPException) as error:
            words = Sentence("cannot open the email backend: “%s”") % _words(error)
            raise RelayDown(words) from error
        session = getattr(self._connection, "connection", None)
        if not isinstance(session, smtplib.SMTP):
            self._progress = None
        elif self._progress is None or self._progress.session is not session:
            self._progress = _Progress(session)

    def _hand_over(self, envelope: Envelope) -> Result:
        try:
            email = envelope.letter.as_email()
        except ValueError as error:
            return result(Outcome.REFUSED, 0, str(error), recipient=envelope.recipient)
        provider = getattr(self._connection, "esp_name", None)
        if provider is None:
            _set_return_path(email, envelope.sender)
        elif provider in _KEEPS_METADATA:
            # Comes back with the webhook: the provider's own id is not known where it gave no answer.
            vars(email)["metadata"] = {"assent": envelope.letter.message_id}
        if provider in _MEASURES:
            vars(email).update(track_opens=False, track_clicks=False)
        if self._progress:
            self._progress.begin()
        try:
            taken = self._connection.send_messages([email])
        except Exception as error:
            # Whatever a backend raises must not take the whole lane down.
            if self._progress and not self._progress.may_be_taken and _is_loss(error):
                return _LOST_BEFORE
            return _judged(error, envelope.recipient)
        return _reported(email, taken or 0)

    def close(self) -> None:
        """See `Transport.close`."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self._connection.close()


class _Progress:
    """How far an `smtplib` session has come with a message: it stands where the session sends."""

    def __init__(self, session: smtplib.SMTP) -> None:
        self.session = session
        self._pass_on = session.send
        self.may_be_taken = False
        vars(session)["send"] = self._send

    def begin(self) -> None:
        """The next message."""
        self.may_be_taken = False

    def _send(self, octets: str | bytes) -> None:
        # Only the content ends so; a write that fails has left out its last bytes, the dot, unless TLS
        # holds them.
        is_content = isinstance(octets, bytes) and octets.endswith(b"\r\n.\r\n")
        if is_content and isinstance(self.session.sock, ssl.SSLSocket):
            self.may_be_taken = True
        self._pass_on(octets)
        if is_content:
            self.may_be_taken = True


def _is_loss(error: Exception) -> bool:
    """The connection ended; all that `smtplib` raises is an OSError, replies included."""
    if isinstance(error, smtplib.SMTPException):
        return isinstance(error, smtplib.SMTPServerDisconnected)
    return isinstance(error, OSError)


def _set_return_path(email: EmailMultiAlternatives, sender: str) -> None:
    """Django takes `from_email` for the envelope where there is a header From.

    Providers behind anymail have return paths of their own, and many refuse another.
    """
    if sender:
        email.extra_headers["From"] = email.from_email
        email.from_email = sender


def _is_alive(connection: smtplib.SMTP) -> bool:
    try:
        return connection.noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False


def _reported(email: EmailMultiAlternatives, taken: int) -> Result:
    status = getattr(email, "anymail_status", None)
    if status is None or not status.recipients:
        return Result(Outcome.SENT if taken else Outcome.UNKNOWN)
    said = next(iter(status.recipients.values()))
    outcome = _OF_STATUS.get(said.status, Outcome.UNKNOWN)
    return Result(outcome, diagnostic=said.status or "", provider_id=str(said.message_id or ""))


def _judged(error: Exception, recipient: str) -> Result:
    """What an exception says about the message.

    Raises:
        RelayDown: it says that no message would be taken.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, words = next(iter(error.recipients.values()), (0, b""))
            return _of_reply(code, words, recipient)
        case smtplib.SMTPSenderRefused() if error.smtp_code >= 500 and error.smtp_code != 552:
            said = replies.explained(_words(error))
            raise RelayDown(Sentence("the relay refused the sender: %s") % said) from error
        case smtplib.SMTPResponseException():
            return _of_reply(error.smtp_code, error.smtp_error, recipient)
        case (
            anymail.AnymailRecipientsRefused()
            | anymail.AnymailInvalidAddress()
            | anymail.AnymailSerializationError()
            | BadHeaderError()
        ):
            return result(Outcome.REFUSED, 0, str(error), recipient=recipient)
        case anymail.AnymailAPIError():
            return _of_api(error, recipient)
        case anymail.AnymailConfigurationError() | anymail.AnymailUnsupportedFeature():
            raise RelayDown(replies.explained(_words(error))) from error
    return result(Outcome.UNKNOWN, 0, _words(error), recipient=recipient)


def _of_reply(code: int, words: bytes | str, recipient: str) -> Result:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    if code == 421:
        said = replies.explained(f"{code} {masked(text, recipient)}")
        raise RelayDown(Sentence("the relay closed the session: %s") % said)
    if 400 <= code < 500:
        return result(Outcome.DEFERRED, code, text, recipient=recipient)
    if 500 <= code < 600:
        return result(Outcome.REFUSED, code, text, recipient=recipient)
    return result(Outcome.UNKNOWN, code, text, recipient=recipient)


def _of_api(error: anymail.AnymailAPIError, recipient: str) -> Result:
    cause = error.__cause__
    if isinstance(cause, requests.ConnectTimeout) or _never_connected(cause):
        raise RelayDown(Sentence("cannot connect to the provider")) from error
    code = error.status_code or 0
    if code in _DENIED:
        words = Sentence("the provider refused the request: HTTP %s") % code
        raise RelayDown(words) from error
    said = f"HTTP {code}" if code else replies.NO_ANSWER.text
    if code in {429, 503}:
        return result(Outcome.DEFERRED, code, said, recipient=recipient)
    if 400 <= code < 500:
        return result(Outcome.REFUSED, code, said, recipient=recipient)
    return result(Outcome.UNKNOWN, code, said, recipient=recipient)


def _never_connected(cause: BaseException | None) -> bool:
    """urllib3 says so by name: a broken connection may have carried the request, a new one not."""
    reason = getattr(cause.args[0] if cause and cause.args else None, "reason", None)
    if isinstance(next(iter(getattr(reason, "args", ())), None), ssl.SSLCertVerificationError):
        return True
    return type(reason).__name__ in {"NewConnectionError", "NameResolutionError"}


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {masked(str(error))}"
