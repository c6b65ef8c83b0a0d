"""Is something on its way to this person? Higher apps register the answer; a withdrawal waits for it.

The mirror image of the claim: the withdrawal is committed first, then it looks for hand-overs under way.
"""

import time
from collections.abc import Callable

from contacts.models import Contact

Question = Callable[[Contact, int | None, str], bool]
PATIENCE_S = 0.15
STEP_S = 0.005

_questions: list[Question] = []


def register(question: Question) -> None:
    """Add `question(contact, topic id or None for every topic, channel or "")`; it must be cheap."""
    if question not in _questions:
        _questions.append(question)


def is_in_flight(contact: Contact, topic_id: int | None, channel: str) -> bool:
    return any(question(contact, topic_id, channel) for question in _questions)


def settle(contact: Contact, topic_id: int | None, channel: str) -> bool:
    """Wait, at most 150 ms, until nothing is on its way; False where a hand-over is still in doubt.

    Call it after the withdrawal was committed, never inside its transaction.
    """
    give_up_at = time.monotonic() + PATIENCE_S
    while is_in_flight(contact, topic_id, channel):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(STEP_S)
    return True
