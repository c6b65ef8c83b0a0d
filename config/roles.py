"""Who may do what: one table of roles and the permissions each needs, and no more.

`migrate` brings the groups of these roles to the table: a new permission arrives with its release, and
nobody widens a role unseen. Whoever needs another cut makes a group of their own beside them.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.db.models import QuerySet

_SENDING = ("campaigns.view_campaign", "campaigns.view_delivery", "campaigns.view_sender")
_PEOPLE = (
    "contacts.view_contact",
    "contacts.view_segment",
    "contacts.view_staticlist",
    "contacts.view_tag",
)
_CONSENT = (
    "consent.view_permission",
    "consent.view_renewalround",
    "consent.view_topic",
    "consent.view_wording",
)

# Only privacy officers see names and addresses: nobody else has `view_identity`.
ROLES: dict[str, tuple[str, ...]] = {
    "Marketer": (
        *_SENDING, *_PEOPLE, *_CONSENT,
        "campaigns.add_campaign", "campaigns.change_campaign", "campaigns.delete_campaign",
        "campaigns.send_campaign", "campaigns.approve_campaign",
        "campaigns.view_image", "campaigns.add_image", "campaigns.change_image",
        "campaigns.delete_image",
        "contacts.add_segment", "contacts.change_segment", "contacts.delete_segment",
        "contacts.add_staticlist", "contacts.change_staticlist", "contacts.delete_staticlist",
        "contacts.add_tag", "contacts.change_tag",
    ),
    "Analyst": ("campaigns.view_image", *_SENDING, *_PEOPLE, *_CONSENT),
    "Publisher": (
        *_CONSENT,
        "consent.add_topic", "consent.change_topic", "consent.publish_topic",
        "consent.add_wording", "consent.change_wording", "consent.delete_wording",
        "consent.publish_wording", "consent.view_organization",
        "consent.add_renewalround", "consent.change_renewalround",
    ),
    "Privacy officer": (
        *_PEOPLE, *_CONSENT,
        "contacts.view_identity", "contacts.export_identities", "contacts.view_identityview",
        "contacts.view_export", "contacts.approve_export",
        "contacts.view_processor", "contacts.add_processor", "contacts.change_processor",
        "contacts.view_retentionrun", "contacts.add_retentionrun",
        "contacts.change_contact",
        "contacts.view_subjectrequest", "contacts.add_subjectrequest",
        "contacts.change_subjectrequest",
        "contacts.view_hold", "contacts.add_hold", "contacts.change_hold",
        "contacts.view_datafield", "contacts.add_datafield", "contacts.change_datafield",
        "consent.record_withdrawal",
        "consent.view_consentevent", "consent.view_consentevidence",
        "consent.view_ledgercheckpoint", "consent.view_suppression", "consent.add_suppression",
        "consent.view_ledgerverification", "consent.add_ledgerverification",
        "consent.view_importbatch", "consent.view_refusedrow", "consent.view_servicemail",
        "consent.view_organization",
        "campaigns.view_campaign", "campaigns.view_delivery",
        "config.view_auditentry",
    ),
    "Operator": (
        *_SENDING,
        "campaigns.send_campaign", "campaigns.add_sender", "campaigns.change_sender",
        "consent.record_consent", "consent.record_basis",
        "consent.view_servicemail", "consent.view_ledgercheckpoint",
        "consent.view_ledgerverification", "consent.add_ledgerverification",
        "consent.view_importbatch", "consent.add_importbatch",
    ),
    "Administrator": (
        "auth.view_user", "auth.add_user", "auth.change_user", "auth.view_group",
        "consent.view_organization", "consent.add_organization", "consent.change_organization",
        "campaigns.view_sender", "campaigns.add_sender", "campaigns.change_sender",
        "config.view_apitoken", "config.change_apitoken", "config.view_auditentry",
        "contacts.view_export", "contacts.approve_export",
    ),
}  # fmt: skip


def permissions() -> "QuerySet[Permission]":
    """Every permission that some role has: what a role of one's own can be cut from."""
    named = {tuple(name.split(".")) for names in ROLES.values() for name in names}
    apps, codenames = {app for app, _ in named}, {codename for _, codename in named}
    return Permission.objects.filter(content_type__app_label__in=apps, codename__in=codenames)


@transaction.atomic
def hold(**_signal: Any) -> None:
    """Bring the group of every role to the table; called at the end of `migrate`, twice changes nothing."""
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    groups = Group.objects.prefetch_related("permissions").in_bulk(ROLES, field_name="name")
    for name, permissions in ROLES.items():
        group = groups.get(name) or Group.objects.create(name=name)
        wanted = _named(permissions, known)
        if {each.pk for each in group.permissions.all()} != {each.pk for each in wanted}:
            group.permissions.set(wanted)


def _named(names: Iterable[str], known: dict[str, Permission]) -> list[Permission]:
    """The permissions that this state of the migrations has: all of them at the end of `migrate`."""
    return [known[name] for name in names if name in known]
