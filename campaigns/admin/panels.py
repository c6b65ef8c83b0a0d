"""What campaigns show on a contact's page: the newest deliveries, and why the others were withheld."""

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from campaigns.admin.deliveries import reason_text
from campaigns.admin.timeline import TONES
from campaigns.models import Delivery
from contacts.admin import panels
from contacts.models import Contact

NEWEST = 20


def deliveries_of(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perm("campaigns.view_delivery"):
        return None
    newest = contact.deliveries.select_related("campaign").order_by("-id")[: NEWEST + 1]
    rows = [
        (each, reason_text(each.reason), TONES.get(Delivery.State(each.state), ""))
        for each in newest
    ]
    context = {"rows": rows[:NEWEST], "has_more": len(rows) > NEWEST}
    return panels.Panel(_("Deliveries"), "admin/campaigns/deliveries.html", context)


panels.register(deliveries_of, position=30)
