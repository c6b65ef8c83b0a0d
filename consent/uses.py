"""What was made of a permission to use data, and has to go when it ends. Higher apps register it.

Called in the transaction of the act, under the person's lock: once a withdrawal is answered, it is gone.
"""

from collections.abc import Callable

from contacts.models import Contact

End = Callable[[Contact], object]

_ends: list[End] = []


def register(end: End) -> None:
    """Add `end(contact)`: it looks itself what is still permitted, erases the rest, and must be cheap."""
    if end not in _ends:
        _ends.append(end)


def end(contact: Contact) -> None:
    """A use of data may have ended for this person."""
    for each in _ends:
        each(contact)
