"""What stops an import, and what keeps one row out of it; the docstring is the message."""

from contacts.models import Sentence


class ImportRefused(Exception):
    """This file cannot be imported."""

    def __init__(self, message: Sentence | str = "") -> None:
        super().__init__(message or Sentence(self.__doc__ or ""))


class FileUnreadable(ImportRefused):
    """This file cannot be read."""


class FileEmpty(ImportRefused):
    """This file has no rows."""


class FileChanged(ImportRefused):
    """This file is not the one the import began with; go on with that one, or begin anew."""


class MappingRefused(ImportRefused):
    """The columns cannot be mapped this way."""


class DeclarationRefused(ImportRefused):
    """What is declared about this file cannot be right."""


class BoughtList(DeclarationRefused):
    """Bought or rented addresses are not imported: nobody on such a list said yes to you."""


class EvidenceTooLarge(DeclarationRefused):
    """The file that shows the consent is empty, or larger than 5 MB."""


class NoSuchList(DeclarationRefused):
    """This list is not there any more."""


class ImportRunning(ImportRefused):
    """This import is running already."""


class ImportStopped(ImportRefused):
    """Staff stopped this import: what was imported stays, and it can go on."""


class RowRefused(ValueError):
    """This row cannot be taken."""

    def __init__(self, message: Sentence | str = "") -> None:
        super().__init__(message or Sentence(self.__doc__ or ""))
