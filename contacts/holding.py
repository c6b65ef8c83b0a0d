"""What this app's own tables keep about a person: exported as it is, erased down to the pseudonym."""

from collections.abc import Mapping
from typing import Any

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from contacts import fields, written
from contacts.holders import Holder
from contacts.models import Contact, Identity, IdentityView, Lifecycle, StaticList

IMPERSONAL = (
    "contacts.Count",
    "contacts.DataField",
    "contacts.Export",
    "contacts.KeyCheck",
    "contacts.Processor",
    "contacts.RetentionRun",
    "contacts.Segment",
    "contacts.StaticList",
    "contacts.Tag",
)


def kept() -> Mapping[str, str]:
    """How long the rows of each table are kept; registered values have periods of their own."""
    until_erased = _("Until the person is erased")
    without_words = _("For good; once the person is erased without a word about them")
    return {
        "contacts.Contact": _("Until the person is erased; then a pseudonym, for the ledger"),
        "contacts.Identity": until_erased,
        "contacts.Address": _("Until the person is erased, former addresses too"),
        "contacts.Contact_tags": until_erased,
        "contacts.StaticList_contacts": until_erased,
        "contacts.SubjectRequest": without_words,
        "contacts.Hold": without_words,
        "contacts.IdentityView": without_words,
    }


def export(contact: Contact) -> dict[str, Any]:
    identity = Identity.objects.filter(contact=contact).values(
        "first_name", "last_name", "email", "phone"
    )
    return {
        "pseudonym": str(contact.subject),
        "identity": identity.first() or {},
        "language": contact.language,
        "timezone": contact.timezone,
        "lifecycle": contact.lifecycle,
        "created_at": _iso(contact.created_at),
        "last_active_at": _iso(contact.last_active_at),
        "restricted_at": _iso(contact.restricted_at),
        "paused_until": _iso(contact.paused_until),
        "attributes": _attributes(contact),
        "tags": list(contact.tags.order_by("name").values_list("name", flat=True)),
        "lists": list(contact.static_lists.order_by("name").values_list("name", flat=True)),
        "addresses": [
            {
                "channel": address.channel,
                "known_since": _iso(address.created_at),
                "verified_at": _iso(address.verified_at),
                "undeliverable_at": _iso(address.undeliverable_at),
                "retired_at": _iso(address.retired_at),
            }
            for address in contact.addresses.order_by("pk")
        ],
        "requests": [
            {
                "kind": request.kind,
                "state": request.state,
                "received_at": _iso(request.received_at),
                "due_at": _iso(request.due_at),
                "extended_because": request.extended_because,
                "settled_at": _iso(request.settled_at),
                "outcome": str(request.outcome),
            }
            for request in contact.requests.order_by("pk")
        ],
        "holds": [
            {
                "reason": hold.reason,
                "placed_at": _iso(hold.placed_at),
                "lifted_at": _iso(hold.lifted_at),
            }
            for hold in contact.holds.order_by("pk")
        ],
        "views_of_identity": [
            {"viewed_at": _iso(view.viewed_at), "reason": view.reason}
            for view in contact.identity_views.order_by("pk")
        ],
    }


def _attributes(contact: Contact) -> list[dict[str, Any]]:
    registered = fields.registered()
    return [
        {
            "key": key,
            "value": value,
            "label": registered[key].text("label") if key in registered else key,
            "purpose": registered[key].text("purpose") if key in registered else "",
        }
        for key, value in sorted(contact.attributes.items())
    ]


def _iso(at: Any) -> str | None:
    return at.isoformat() if at else None


def erase(contact: Contact) -> Mapping[str, int]:
    """Last of all: the addresses lose their fingerprints, the vault its row, the contact all but its name."""
    written.forget(contact)
    return {
        "contacts.Contact_tags": Contact.tags.through.objects.filter(contact=contact).delete()[0],
        "contacts.StaticList_contacts": StaticList.contacts.through.objects.filter(
            contact=contact
        ).delete()[0],
        "contacts.Address": contact.addresses.update(
            fingerprint=None, domain="", verified_at=None, undeliverable_at=None, retired_at=Now()
        ),
        "contacts.Identity": Identity.objects.filter(contact=contact).delete()[0],
        "contacts.SubjectRequest": contact.requests.update(how="", outcome="", extended_because=""),
        "contacts.Hold": contact.holds.update(reason="erased"),
        "contacts.IdentityView": IdentityView.objects.filter(contact=contact).update(
            reason="erased"
        ),
        "contacts.Contact": Contact.objects.filter(pk=contact.pk).update(
            language="",
            lifecycle=Lifecycle.SUBSCRIBER,
            timezone="",
            attributes={},
            last_active_at=None,
            restricted_at=None,
            paused_until=None,
            erased_at=Now(),
        ),
    }


HOLDER = Holder("contact", kept, export, erase)
