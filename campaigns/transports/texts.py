"""Hands text messages to the SMS gateway, one request each."""

import logging
from collections.abc import Callable, Sequence

from django.conf import settings
from django.db import DatabaseError

from campaigns.replies import gateway_code
from campaigns.texts import TextMessage
from campaigns.transports import NOT_TRIED, Outcome, RelayDown, Result
from consent import services
from consent.sms import numbers
from consent.sms.gateway import ANSWER_S, Answer, Gateway, GatewayDown
from contacts.addresses import AddressError

log = logging.getLogger(__name__)

# A request each, so that a withdrawal need not wait for many.
LARGEST_UNIT = 10
_OUTCOMES = {
    Answer.ACCEPTED: Outcome.SENT,
    Answer.REFUSED: Outcome.REFUSED,
    Answer.DEFERRED: Outcome.DEFERRED,
    Answer.UNKNOWN: Outcome.UNKNOWN,
}


class TextTransport:
    """As `Transport`, for texts. Raises `RelayDown` where no gateway is configured."""

    def __init__(self) -> None:
        try:
            # A hand-over that hangs has ended long before its lease.
            self._gateway = Gateway(answer_s=min(ANSWER_S, settings.DELIVERY_LEASE_S / 4))
        except GatewayDown as down:
            raise RelayDown(down.reason) from None

    def hand_over(
        self, messages: Sequence[TextMessage], *, go_on: Callable[[], bool]
    ) -> list[Result]:
        """See `Transport.hand_over`."""
        results = [NOT_TRIED] * len(messages)
        for index, message in enumerate(messages):
            if not go_on():
                break
            try:
                results[index] = self._hand_over(message)
            except GatewayDown as down:
                raise RelayDown(down.reason, results) from None
        return results

    def _hand_over(self, message: TextMessage) -> Result:
        try:
            numbers.check(message.recipient)
        except AddressError as refused:
            return Result(Outcome.REFUSED, diagnostic=str(refused))
        handed = self._gateway.send(
            to=message.recipient,
            text=message.body,
            sender=message.sender,
            report_to=message.report_to,
        )
        if handed.replied_stop:
            _hear_stop(message)
        words = gateway_code(handed.code) if handed.code else ""
        return Result(_OUTCOMES[handed.answer], handed.code, "", words, handed.provider_id)

    def close(self) -> None:
        """See `Transport.close`."""
        self._gateway.close()


def _hear_stop(message: TextMessage) -> None:
    """The provider heard a STOP that did not reach us: it counts, whatever it costs us to write it down."""
    try:
        services.stop_by_answer(number=message.recipient, message_id=message.report_to[-64:])
    except DatabaseError:
        log.exception("A STOP that the gateway knows of was not recorded")
