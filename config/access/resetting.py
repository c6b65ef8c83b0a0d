"""The mail with the link that sets a new password; made where its time tells nobody anything."""

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.utils import user_pk_to_url_str
from django.contrib.auth.models import User
from django.utils import translation


def send_link(*, user_id: int, language: str) -> None:
    """Mail a fresh link to an active staff user; nothing happens for anybody else."""
    user = User.objects.filter(pk=user_id, is_active=True, is_staff=True).exclude(email="").first()
    if user is None:
        return
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    adapter = get_adapter()
    url = adapter.get_reset_password_from_key_url(f"{user_pk_to_url_str(user)}-{token}")
    with translation.override(language or None):
        adapter.send_mail(
            "account/email/password_reset_key",
            user.email,
            {"user": user, "username": user.username, "password_reset_url": url},
        )
