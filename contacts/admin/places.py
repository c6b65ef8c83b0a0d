"""The panel of a contact's addresses, in clear or masked."""

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from contacts.admin import panels
from contacts.admin.names import address_of, may_see_identity
from contacts.models import Contact


def addresses_of(request: HttpRequest, contact: Contact) -> panels.Panel:
    is_clear = may_see_identity(request, contact.pk)
    rows = [
        (
            address,
            "" if address.retired_at else address_of(contact, address.channel, is_clear=is_clear),
        )
        for address in contact.addresses.order_by("-created_at", "-pk")
    ]
    return panels.Panel(_("Addresses"), "admin/contacts/addresses.html", {"rows": rows})


panels.register(addresses_of, position=20)
