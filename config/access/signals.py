"""What happens at the door goes into the audit trail; a name that was typed wrong does not."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed, authenticator_added
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from config import trail


@receiver(authenticator_added)
def note_possession(
    request: HttpRequest, user: User, authenticator: Authenticator, **_signal: Any
) -> None:
    """Whoever adds an app or a key has just shown that they hold it."""
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(
            request, user, method="mfa", id=authenticator.pk, type=authenticator.type
        )


@receiver(user_logged_in)
def note_sign_in(request: HttpRequest, user: User, **_signal: Any) -> None:
    trail.note(
        request, trail.Action.SIGNED_IN, staff=user, object_type="auth.user", object_id=user.pk
    )


@receiver(user_logged_out)
def note_sign_out(request: HttpRequest, user: User | None, **_signal: Any) -> None:
    if user is not None:
        trail.note(
            request, trail.Action.SIGNED_OUT, staff=user, object_type="auth.user", object_id=user.pk
        )


@receiver(user_login_failed)
def note_failed_sign_in(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_signal: Any
) -> None:
    """Names the account that was tried, if any: what people type by mistake can be a password."""
    name = str(credentials.get("username") or credentials.get("email") or "")
    tried = User.objects.filter(username__iexact=name) | User.objects.filter(email__iexact=name)
    known = tried.values_list("pk", flat=True).first() if name else None
    trail.note(
        request,
        trail.Action.SIGN_IN_FAILED,
        object_type="auth.user",
        object_id=known or "",
    )


@receiver(authentication_failed)
def note_failed_code(request: HttpRequest, user: User, **_signal: Any) -> None:
    trail.note(
        request,
        trail.Action.SIGN_IN_FAILED,
        object_type="auth.user",
        object_id=user.pk,
        part="second factor",
    )
