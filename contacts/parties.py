"""Who decides about the data, and who else gets it, as the apps above know it: registries they fill.

What staff registered by hand (`Processor`) is added here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from contacts import countries
from contacts.models import Contact, Processor


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Who decides why and how data is used (GDPR art. 4(7))."""

    name: str
    address: str
    contact: str
    email: str
    phone: str
    website: str
    authority: str
    country: str = ""
    joint_controllers: str = ""
    representative: str = ""
    data_protection_officer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Somebody who gets personal data: what for, what, where (ISO 3166), by which safeguard there, and how
    it is told."""

    name: str
    service: str
    receives: str
    country: str = ""
    safeguard: str = ""
    contact: str = ""

    @property
    def is_outside(self) -> bool:
        """Data that they get leaves the European Economic Area."""
        return countries.is_outside(self.country)

    @property
    def place(self) -> str:
        """The country, and what protects the data there where that has to be said (GDPR art. 15(2))."""
        said = [self.country, self.safeguard if self.is_outside else ""]
        return ": ".join(filter(None, said))


# Of one person, only those who got data of that person; of None, all.
Source = Callable[[Contact | None], Iterable[Recipient]]

_controllers: list[Callable[[], Controller | None]] = []
_sources: list[Source] = []


def register_controller(source: Callable[[], Controller | None]) -> None:
    if source not in _controllers:
        _controllers.append(source)


def register_recipients(source: Source) -> None:
    if source not in _sources:
        _sources.append(source)


def controller() -> Controller | None:
    """The first one known; None where nobody was named yet."""
    return next((found for source in _controllers if (found := source())), None)


def recipients(contact: Contact | None = None) -> list[Recipient]:
    """Everybody who gets data, or who got it of this person; registered processors always count.

    One name is one recipient: what was registered by hand says more than what a machine noticed.
    """
    registered = [
        Recipient(
            name=processor.name,
            service=processor.service,
            receives=processor.receives,
            country=processor.country,
            safeguard=_safeguard(processor),
            contact=processor.contact,
        )
        for processor in Processor.objects.in_use().order_by("name")
    ]
    noticed = [found for source in _sources for found in source(contact)]
    known = {each.name.lower(): each for each in reversed([*registered, *noticed])}
    return sorted(known.values(), key=lambda each: each.name.lower())


def _safeguard(processor: Processor) -> str:
    said = [str(processor.get_safeguard_display()), processor.safeguard_details]
    return ", ".join(filter(None, said))
