"""How a permission ends or goes on without a new sign-up: renewed by the person, or found bad by us."""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models.functions import Now

from consent import gate, ledger
from consent.ledger import SUBJECT, Actor
from consent.models import ConsentEvent, Kind, Method, Permission, Wording
from consent.services import ConsentError, WordingNotOffered
from contacts import services as contacts
from contacts.models import Contact

BATCH = 500
# The reasons that a person can lift by saying once more what they said before.
RENEWABLE = frozenset(
    {
        "",
        gate.Reason.NEEDS_RENEWAL,
        gate.Reason.EXPIRED,
        gate.Reason.PENDING,
        gate.Reason.PAUSED,
    }
)


class NotRenewable(ConsentError):
    """There is no yes to renew here; ask for a new one."""


class InvalidityUnexplained(ConsentError):
    """Say in a sentence why these words are no valid consent."""


@transaction.atomic
def renew(
    *,
    contact: Contact,
    wordings: Sequence[Wording],
    details: Mapping[str, str] | None = None,
) -> list[ConsentEvent]:
    """The person, on a page opened by a fresh link to their address, says yes again to today's words.

    Lifts a coming or past end, and a material change of the words; never a no. Raises `NotRenewable` and
    `WordingNotOffered`.
    """
    contact = contacts.lock(contact.pk)
    return [_renew(contact, wording, details) for wording in wordings]


def _renew(contact: Contact, wording: Wording, details: Mapping[str, str] | None) -> ConsentEvent:
    if not Wording.objects.current().filter(pk=wording.pk).exists():
        raise WordingNotOffered
    permission = contact.permissions.filter(topic=wording.topic, channel=wording.channel).first()
    decision = gate.explain(contact=contact, topic=wording.topic, channel=wording.channel)
    if (
        permission is None
        or permission.state not in (Permission.State.GRANTED, Permission.State.EXPIRED)
        or permission.stopped
        or decision.reason not in RENEWABLE
    ):
        raise NotRenewable
    return ledger.record(
        contact=contact,
        topic=wording.topic,
        channel=wording.channel,
        kind=Kind.RENEWED,
        method=Method.PREFERENCES,
        actor=SUBJECT,
        wording=wording,
        address=permission.address
        if decision.address_id is None
        else contact.addresses.get(pk=decision.address_id),
        details=details,
    )


def invalidate_wording(*, wording: Wording, reason: str, actor: Actor) -> int:
    """Words were found to be no valid consent: from now on the gate denies whoever rests on them.

    The ledger follows person by person; returns how many permissions ended. Run again after a crash, it
    goes on. Raises `InvalidityUnexplained`.
    """
    if len(reason.split()) < 3:
        raise InvalidityUnexplained
    Wording.objects.filter(pk=wording.pk, invalidated_at=None).update(invalidated_at=Now())
    ended = 0
    while standing := list(
        Permission.objects.filter(
            topic=wording.topic,
            channel=wording.channel,
            wording=wording,
            state=Permission.State.GRANTED,
        ).select_related("topic")[:BATCH]
    ):
        for permission in standing:
            ended += _invalidate(permission, wording, reason, actor)
    return ended


@transaction.atomic
def _invalidate(permission: Permission, wording: Wording, reason: str, actor: Actor) -> bool:
    contact = contacts.lock(permission.contact_id)
    still = Permission.objects.granted().filter(pk=permission.pk, wording=wording)
    if not still.exists():
        return False
    ledger.record(
        contact=contact,
        topic=permission.topic,
        channel=permission.channel,
        kind=Kind.INVALIDATED,
        method=Method.STAFF,
        actor=actor,
        wording=wording,
        details={"reason": reason},
    )
    return True
