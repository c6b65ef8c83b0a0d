"""What was made of a permission to use data, and has to go when it ends. Higher apps register it.

An act of one person ends it in its own transaction, under the person's lock: once a withdrawal is answered,
it is gone. What an import takes back of many ends in one sweep by a worker, as soon as rows are written.
"""

from collections.abc import Callable
from functools import partial

from celery import current_app
from django.db import transaction

from contacts.models import Contact

End = Callable[[Contact], object]
Sweep = Callable[[], object]

_ends: list[End] = []
_sweeps: list[Sweep] = []


def register(end: End, *, sweep: Sweep) -> None:
    """Add `end(contact)`: it looks itself what is still permitted, erases the rest, and must be cheap.

    `sweep()` does so for everybody; it may take its time, and may be done twice.
    """
    if end not in _ends:
        _ends.append(end)
        _sweeps.append(sweep)


def end(contact: Contact) -> None:
    """A use of data may have ended for this person."""
    for each in _ends:
        each(contact)


def sweep_soon() -> None:
    """Have a worker sweep once this is committed; where that is lost, the daily job of retention does it."""
    ask = partial(current_app.send_task, "consent.end_uses", retry=False)
    transaction.on_commit(ask, robust=True)


def sweep() -> None:
    """Uses of data may have ended for anybody."""
    for each in _sweeps:
        each()
