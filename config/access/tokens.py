"""Making, knowing and ending tokens of the API. A token is shown once; its hash is what is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.models import ApiToken, ScopedUser

DEFAULT_DAYS, MOST_DAYS = 30, 365
IDENTITIES = "contacts.view_identity"
# What the API asks for. A token names the ones it may use; what its owner may not do, it may not either.
SCOPES = {
    "contacts.view_contact": gettext_lazy("See contacts, by pseudonym"),
    IDENTITIES: gettext_lazy("See names and addresses of contacts"),
    "contacts.add_contact": gettext_lazy("Add contacts"),
    "contacts.change_contact": gettext_lazy("Change contacts"),
    "consent.view_topic": gettext_lazy("See topics"),
    "consent.add_topic": gettext_lazy("Add topics"),
    "consent.publish_topic": gettext_lazy("Publish and retire topics"),
    "consent.view_permission": gettext_lazy("See permissions"),
    "consent.record_consent": gettext_lazy("Record a consent given elsewhere"),
    "consent.record_withdrawal": gettext_lazy("Record a withdrawal"),
    "consent.view_consentevent": gettext_lazy("See the consent ledger"),
    "campaigns.view_campaign": gettext_lazy("See campaigns"),
    "campaigns.add_campaign": gettext_lazy("Add campaigns"),
    "campaigns.change_campaign": gettext_lazy("Change campaigns"),
    "campaigns.send_campaign": gettext_lazy("Schedule, pause and cancel campaigns"),
    "campaigns.view_delivery": gettext_lazy("See deliveries"),
}


class TokenError(Exception):
    """This token cannot be made."""

    def __init__(self) -> None:
        super().__init__(_(self.__doc__ or ""))


class ScopeNotHeld(TokenError):
    """A token may not do more than its owner."""


class LifetimeNotPossible(TokenError):
    """A token lives between one day and one year."""


def possible_scopes(owner: User) -> list[str]:
    return [scope for scope in SCOPES if owner.has_perm(scope)]


def make(
    *, owner: User, purpose: str, scopes: Collection[str] | None = None, days: int = DEFAULT_DAYS
) -> tuple[ApiToken, str]:
    """Return the kept token and the secret that is shown this once.

    Without `scopes` it may do all over the API that its owner may, except see identities: that has to be
    asked for. Raises `ScopeNotHeld` and `LifetimeNotPossible`.
    """
    possible = possible_scopes(owner)
    if scopes is None:
        scopes = [scope for scope in possible if scope != IDENTITIES]
    if not set(scopes) <= set(possible):
        raise ScopeNotHeld
    if not 1 <= days <= MOST_DAYS:
        raise LifetimeNotPossible
    beginning, rest = secrets.token_hex(4), secrets.token_urlsafe(32)
    secret = f"assent_{beginning}_{rest}"
    token = ApiToken.objects.create(
        owner=owner,
        purpose=purpose,
        beginning=beginning,
        digest=_digest(secret),
        bound_to=owner.get_session_auth_hash(),
        scopes=sorted(set(scopes)),
        expires_at=timezone.now() + timedelta(days=days),
    )
    return token, secret


def find(secret: str, *, now: datetime) -> tuple[ScopedUser, ApiToken] | None:
    """The token that stands and whose secret this is, with its owner narrowed to its scopes."""
    parts = secret.split("_", 2)
    if len(parts) != 3 or parts[0] != "assent":
        return None
    token = ApiToken.objects.standing().filter(beginning=parts[1][:8]).first()
    if token is None or not hmac.compare_digest(bytes(token.digest), _digest(secret)):
        return None
    user = ScopedUser.objects.get(pk=token.owner_id)
    if not _is_bound(token, user):
        return None
    user.scopes = frozenset(token.scopes)
    if token.last_used_on != now.date():
        ApiToken.objects.filter(pk=token.pk).update(last_used_on=now.date())
    return user, token


def end(*, token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk, ended_at=None).update(ended_at=Now())


def _is_bound(token: ApiToken, user: User) -> bool:
    known = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(hmac.compare_digest(token.bound_to, each) for each in known)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
