"""The mail with the link that sets a new password; made where its time tells nobody anything."""

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import translation

# A task may come twice: whoever was mailed a link just now has one.
ONCE_IN_S = 60


def send_link(*, user_id: int, language: str) -> None:
    """Mail a fresh link to an active staff user, once a minute; nothing happens for anybody else."""
    user = User.objects.filter(pk=user_id, is_active=True, is_staff=True).exclude(email="").first()
    if user is None or not cache.add(f"reset-{user.pk}", 1, ONCE_IN_S):
        return
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    adapter = get_adapter()
    url = adapter.get_reset_password_from_key_url(f"{user_pk_to_url_str(user)}-{token}")
    with translation.override(language if language in dict(settings.LANGUAGES) else None):
        adapter.send_mail(
            "account/email/password_reset_key",
            user.email,
            {"user": user, "username": user.username, "password_reset_url": url},
        )
