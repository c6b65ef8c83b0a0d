"""The panel of what registered fields hold of a person: with the name, to those who may see it."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from contacts import fields
from contacts.admin import panels
from contacts.admin.names import VIEW_IDENTITY, may_see_identity
from contacts.models import Contact, DataField


@dataclass(frozen=True, slots=True)
class Line:
    """A value in words; `field` is None where its field is no longer registered."""

    label: str
    words: str
    purpose: str = ""
    field: DataField | None = None


def values_of(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    """A birthday, a company and a city name somebody, too: shown as names are, after a reason."""
    if not request.user.has_perm(VIEW_IDENTITY) or contact.erased_at:
        return None
    is_clear = may_see_identity(request, contact.pk)
    context = {"is_clear": is_clear, "lines": _lines(contact) if is_clear else []}
    return panels.Panel(_("Fields"), "admin/contacts/values.html", context)


def _lines(contact: Contact) -> list[Line]:
    registered = DataField.objects.in_bulk(list(contact.attributes), field_name="key")
    lines = [_line(key, value, registered.get(key)) for key, value in contact.attributes.items()]
    return sorted(lines, key=lambda line: line.label)


def _line(key: str, value: fields.Value, field: DataField | None) -> Line:
    if field is None:
        return Line(key, str(value))
    return Line(field.text("label"), fields.shown(field, value), field.text("purpose"), field)


panels.register(values_of, position=2)
