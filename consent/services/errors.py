"""What the door of consent refuses; the docstring of an error is its message, and is translated."""

from django.utils.translation import gettext


class ConsentError(Exception):
    """This cannot be recorded."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or gettext(self.__doc__ or ""))


class NothingChosen(ConsentError):
    """Choose at least one topic."""


class WordingNotOffered(ConsentError):
    """These words are not the ones on the form any more; load the form again."""


class AddressMissing(ConsentError):
    """This person has no address on this channel."""


class PersonSaidNo(ConsentError):
    """This person said no; only they themselves can say yes again."""


class EvidenceMissing(ConsentError):
    """A permission that is recorded for somebody needs its source and its date."""


class UndoNotPossible(ConsentError):
    """This can only be undone within ten minutes, from the page that did it."""


class NotPublishable(ConsentError):
    """This is not complete enough to be published."""


class SecondPersonNeeded(NotPublishable):
    """Somebody other than its author has to publish this."""
