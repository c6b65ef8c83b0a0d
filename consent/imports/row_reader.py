"""Turns one record of a file into a person with what that person said, or says why it cannot be taken."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from django.utils.text import slugify

from consent.imports import values
from consent.imports.acts import ActReader
from consent.imports.declaration import Declaration
from consent.imports.errors import RowRefused
from consent.imports.mapping import FIELD, plain
from consent.imports.reading import LONGEST_KEPT, Record
from consent.imports.registry import Registry
from consent.imports.rows import Cells, Refusal, Row
from contacts import addresses, fields, services
from contacts.bulk import Arrival
from contacts.models import Sentence

LONGEST_NAME = 200
MOST_TAGS = 50
# Of several columns that speak of a no, the cell that weighs most counts.
_WEIGHED: dict[str, Callable[[str], int]] = {
    "status": values.weight,
    "stopped": values.says_yes,
    "stopped_sms": values.says_yes,
    "stopped_at": values.says_yes,
    "bounced": values.says_yes,
}
_BETWEEN_CELLS = re.compile(r"[,;|\t\"]")


class RowReader:
    """Reads the records of one batch; `read` raises `RowRefused` with the sentence for the report."""

    def __init__(
        self,
        *,
        columns: Sequence[str],
        mapping: Mapping[str, str],
        declaration: Declaration,
        registry: Registry,
        batch_id: int,
    ) -> None:
        self.width = len(columns)
        self.declaration = declaration
        self.registry = registry
        self.acts = ActReader(declaration=declaration, registry=registry, batch_id=batch_id)
        self.fingerprint = addresses.fingerprinter()
        # Backwards: the first column of a meaning is the one that stays.
        self.places = [
            (place, target)
            for place, column in reversed(list(enumerate(columns)))
            if (target := mapping.get(column, ""))
        ]
        self.weighed = [
            (target, places)
            for target in _WEIGHED
            if len(places := [place for place, meant in self.places[::-1] if meant == target]) > 1
        ]
        self.left_out: Sentence | str = ""
        # Brevo writes every number in full, without the plus.
        self.has_full_numbers = any(
            target == "phone" and plain(columns[place]) == "sms" for place, target in self.places
        )
        self.fields = {
            target: registry.fields[target.removeprefix(FIELD)]
            for _place, target in self.places
            if target.startswith(FIELD)
        }

    def read(self, record: Record) -> Row:
        cells = record.cells
        if len(record.text) == LONGEST_KEPT:
            raise RowRefused(Sentence("This line is too long: a cell has at most 131,072 letters."))
        if not cells:
            raise RowRefused(Sentence("This line cannot be read: a quotation mark is missing."))
        if len(cells) != self.width:
            raise RowRefused(
                Sentence("This row has %(count)d cells where the header has %(width)d.")
                % {"count": len(cells), "width": self.width}
                if len(cells) > 1
                else Sentence("This row has one cell where the header has %(width)d.")
                % {"width": self.width}
            )
        if "\x00" in "".join(cells):
            raise RowRefused(Sentence("This row has characters that are no text."))
        named = self._name(cells)
        self.left_out = ""
        row = Row(record, self._arrival(named), left_out=self.left_out)
        self.acts.read(row, named)
        return row

    def read_no(self, record: Record, reason: RowRefused) -> Row | None:
        """Of a row that cannot be taken the no alone, if it says one: nobody is mailed for a bad date.

        None where it says none, or where nobody knows whose it is.
        """
        cells = self._name(record.cells) if len(record.cells) == self.width else {}
        row = Row(record, Arrival(), left_out=Sentence("Only the no was taken. %s") % reason)
        row.arrival = self._arrival_alone(record, cells)
        if not (row.arrival.email or row.arrival.phone):
            return None
        with suppress(RowRefused):
            self.acts.read_no_alone(row, cells)
        return row if row.said or row.is_suppressed else None

    def refuse(self, record: Record, reason: RowRefused) -> Refusal:
        """The row as it is kept, to be found again when its person is erased."""
        return Refusal(record, Sentence.of(reason), self.addresses_in(record))

    def addresses_in(self, record: Record) -> Arrival:
        """Whatever can be read of the addresses of a row, and nothing else."""
        cells = self._name(record.cells) if len(record.cells) == self.width else {}
        return self._arrival_alone(record, cells)

    def _arrival_alone(self, record: Record, cells: Cells) -> Arrival:
        """Whatever can be read of the addresses, each by itself."""
        arrival = Arrival()
        for kind in ("email", "phone"):
            with suppress(RowRefused):
                self._read_addresses({kind: cells.get(kind, "")}, arrival)
        return arrival if arrival.email or arrival.phone else self._any_address(record)

    def _any_address(self, record: Record) -> Arrival:
        """Of a row whose cells are not where they belong."""
        for cell in record.cells or _BETWEEN_CELLS.split(record.text):
            if "@" in cell:
                with suppress(addresses.AddressError):
                    email = _email(cell.strip())
                    return Arrival(email=email, email_fingerprint=self.fingerprint(email))
        return Arrival()

    def _name(self, cells: Sequence[str]) -> Cells:
        """The filled cells by what they mean; of several with one meaning the first that is filled.

        Of several that ask whether somebody said no, the first that says so.
        """
        named = {target: cell for place, target in self.places if (cell := cells[place].strip())}
        for target, places in self.weighed:
            if filled := [cell for place in places if (cell := cells[place].strip())]:
                named[target] = max(filled, key=_WEIGHED[target])
        if "stopped" in named and values.is_of_texts(named["stopped"]):
            named["stopped_sms"] = named.pop("stopped")
        return named

    def _arrival(self, cells: Cells) -> Arrival:
        arrival = Arrival()
        self._read_addresses(cells, arrival)
        self._read_names(cells, arrival)
        if cell := cells.get("language"):
            arrival.language = values.language(cell)
        if (zone := cells.get("timezone")) and zone in services.time_zones():
            arrival.timezone = zone
        if cell := cells.get("lifecycle"):
            arrival.lifecycle = values.stage(cell)
        if cell := cells.get("tags"):
            arrival.tags = _tags(cell)
        if (tag := self.declaration.tag) and tag not in arrival.tags:
            arrival.tags.append(tag)
        arrival.created_at = self._past_or_left_out(cells, "created_at")
        arrival.last_active_at = self._past_or_left_out(cells, "last_active_at")
        self._read_attributes(cells, arrival)
        return arrival

    def _read_addresses(self, cells: Cells, arrival: Arrival) -> None:
        email, phone = cells.get("email"), cells.get("phone")
        try:
            if email:
                arrival.email = _email(email)
                arrival.email_fingerprint = self.fingerprint(arrival.email)
            if phone:
                arrival.phone = self._phone(phone)
                arrival.phone_fingerprint = self.fingerprint(arrival.phone)
        except addresses.PhoneNumberError as error:
            if not email:
                raise RowRefused(Sentence(str(error))) from error
            self.left_out = Sentence("The phone number was left out. %s") % Sentence(str(error))
        except addresses.AddressError as error:
            raise RowRefused(Sentence(str(error))) from error
        if not (email or phone):
            raise RowRefused(Sentence("This row has neither an email address nor a phone number."))

    def _phone(self, number: str) -> str:
        try:
            return addresses.normalize_phone(number, region=self.declaration.region)
        except addresses.PhoneNumberError:
            if not (self.has_full_numbers and number.isdecimal()):
                raise
            return addresses.normalize_phone(f"+{number}")

    def _read_names(self, cells: Cells, arrival: Arrival) -> None:
        first, last = cells.get("first_name", ""), cells.get("last_name", "")
        if not (first or last) and (name := cells.get("name")):
            first, _space, last = name.rpartition(" ")
            first, last = (first, last) if first else (last, "")
        if len(first) > LONGEST_NAME or len(last) > LONGEST_NAME:
            raise RowRefused(Sentence("A name has at most %d letters.") % LONGEST_NAME)
        arrival.first_name, arrival.last_name = first, last

    def _past_or_left_out(self, cells: Cells, target: str) -> str:
        """What is only good to know refuses nobody."""
        if target not in cells:
            return ""
        try:
            at = self.acts.moment(cells, target)
        except RowRefused as reason:
            self.left_out = Sentence("A date was left out. %s") % reason
            return ""
        return at.isoformat() if at else ""

    def _read_attributes(self, cells: Cells, arrival: Arrival) -> None:
        try:
            for target, data_field in self.fields.items():
                if cell := cells.get(target):
                    arrival.attributes[data_field.key] = fields.clean(data_field, cell)
            if document := cells.get("attributes"):
                known = self.registry.fields
                given = {key: each for key, each in _attributes(document).items() if key in known}
                arrival.attributes |= fields.clean_attributes(given, fields=known)
        except fields.FieldError as error:
            raise RowRefused(Sentence.of(error)) from error


def _email(cell: str) -> str:
    try:
        return addresses.normalize_email(cell)
    except addresses.EmailAddressError:
        return addresses.normalize_email(values.bare_address(cell))


def _tags(cell: str) -> list[str]:
    names = (
        slugify(word.strip('" '), allow_unicode=True)[:64] for word in values.split_words(cell)
    )
    return [name for name in names if name][:MOST_TAGS]


def _attributes(document: str) -> Mapping[str, object]:
    try:
        attributes = json.loads(document) or {}
    except ValueError:
        attributes = None
    if not isinstance(attributes, dict):
        raise RowRefused(Sentence("The attributes are not a JSON object."))
    return attributes
