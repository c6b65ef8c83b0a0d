"""Who may do what: one group per role, made where it is missing, with the least it needs.

A role that staff changed by hand stays as they made it.
"""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction

_LOOK = ("campaigns.view_campaign", "campaigns.view_delivery", "campaigns.view_sender")
_PEOPLE = ("contacts.view_contact", "contacts.view_segment", "contacts.view_tag")
_CONSENT = ("consent.view_permission", "consent.view_topic", "consent.view_wording")
_PROOF = ("consent.view_consentevent", "consent.view_ledgercheckpoint")

# Marketers, analysts, publishers and operators see pseudonyms: none of them has `view_identity`.
ROLES: dict[str, tuple[str, ...]] = {
    "Marketer": (
        *_LOOK, *_PEOPLE, *_CONSENT,
        "campaigns.add_campaign", "campaigns.change_campaign", "campaigns.delete_campaign",
        "campaigns.send_campaign",
        "contacts.add_segment", "contacts.change_segment", "contacts.delete_segment",
        "contacts.add_tag", "contacts.change_tag",
    ),
    "Analyst": (*_LOOK, *_PEOPLE, *_CONSENT),
    "Publisher": (
        *_CONSENT,
        "consent.add_topic", "consent.change_topic",
        "consent.add_wording", "consent.change_wording", "consent.delete_wording",
        "consent.view_organization",
    ),
    "Privacy officer": (
        *_PEOPLE, *_CONSENT, *_PROOF,
        "contacts.view_identity", "contacts.change_contact", "contacts.view_datafield",
        "contacts.view_subjectrequest", "contacts.add_subjectrequest",
        "contacts.change_subjectrequest", "contacts.view_identityview",
        "consent.view_consentevidence", "consent.view_suppression", "consent.add_suppression",
        "consent.view_importbatch", "consent.view_refusedrow", "consent.view_servicemail",
        "consent.view_organization",
        "campaigns.view_campaign", "campaigns.view_delivery",
    ),
    "Operator": (
        *_LOOK,
        "campaigns.send_campaign", "campaigns.add_sender", "campaigns.change_sender",
        "consent.view_servicemail", "consent.view_importbatch", "consent.view_ledgercheckpoint",
    ),
    "Administrator": (
        "auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group",
        "consent.view_organization", "consent.add_organization", "consent.change_organization",
        "campaigns.view_sender", "campaigns.add_sender", "campaigns.change_sender",
    ),
}  # fmt: skip


@transaction.atomic
def make_missing(**_signal: Any) -> None:
    """Make every role that is not there yet; called at the end of `migrate`."""
    for name, permissions in ROLES.items():
        group, is_new = Group.objects.get_or_create(name=name)
        if is_new:
            group.permissions.set(_named(permissions))


def _named(permissions: tuple[str, ...]) -> list[Permission]:
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    return [known[name] for name in permissions]
