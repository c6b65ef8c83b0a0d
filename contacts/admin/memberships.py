"""The panel of the segments that a person is in now, asked anew at each look."""

from django.db import OperationalError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from contacts import counting, segments
from contacts.admin import panels
from contacts.models import Contact, Segment

# Each is a question to the database: this many are asked, in the order of their names.
MOST = 200


def segments_of(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perm("contacts.view_segment"):
        return None
    asked = list(Segment.objects.order_by("name")[: MOST + 1])
    context: dict[str, object] = {"most": MOST, "has_more": len(asked) > MOST}
    try:
        with counting.at_most(2 * counting.QUICK):
            context["segments"] = segments.segments_of(contact, among=asked[:MOST])
    except OperationalError:
        context["is_late"] = True
    return panels.Panel(_("Segments"), "admin/contacts/memberships.html", context)


panels.register(segments_of, position=12)
