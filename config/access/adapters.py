"""What this house asks of allauth: no sign-up, our own addresses in mails, secrets kept encrypted."""

import base64
import logging
from smtplib import SMTPException
from types import SimpleNamespace
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from celery import current_app
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.encoding import force_bytes
from kombu.exceptions import OperationalError

from consent.budgets import client_address

logger = logging.getLogger(__name__)

UNKNOWN = "account/email/unknown_account"


class StaffAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts are made by an administrator; links in mails start with `PUBLIC_URL`, never with a header."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """`key` is `uid-token`, as the page of the link takes it apart."""
        uid, _, token = key.partition("-")
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token})
        return f"{settings.PUBLIC_URL}{path}"

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        return (
            f"{settings.PUBLIC_URL}{reverse('account_confirm_email', args=[emailconfirmation.key])}"
        )

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Leave it to a worker, so that a known address takes no longer to answer than an unknown one."""
        _nudge_reset(user.pk)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """To strangers goes no mail: an unknown address costs only the work that a known one does."""
        if template_prefix == UNKNOWN:
            _nudge_reset(0)
        else:
            house = SimpleNamespace(name="Assent", domain=settings.PUBLIC_URL)
            known = {"email": email, "current_site": house} | context
            self.render_mail(template_prefix, email, known).send()

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Tell the account's owner what happened; what happened stands though the relay is down."""
        try:
            super().send_notification_mail(*args, **kwargs)
        except (OSError, SMTPException):
            logger.exception("A notice to a staff member could not be sent")


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets of authenticator apps and recovery codes are stored encrypted under `SECRET_KEY`."""

    def encrypt(self, text: str) -> str:
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _box().decrypt(encrypted_text.encode()).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "Assent"}


def _box() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(secret))) for secret in secrets])


def _derived(secret: str | bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"assent second factor").derive(force_bytes(secret))


def _nudge_reset(user_id: int) -> None:
    try:
        current_app.send_task(
            "config.send_password_reset",
            kwargs={"user_id": user_id, "language": translation.get_language() or ""},
            retry=False,
            expires=3600,
        )
    except OperationalError:
        logger.exception("A password reset could not be handed to a worker")
