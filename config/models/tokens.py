"""Tokens of the REST API: kept as a hash, limited to scopes, over at a date or with the password."""

from collections.abc import Iterable
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def standing(self) -> Self:
        """Not ended, not expired, and of an active staff user."""
        return self.filter(
            ended_at=None,
            expires_at__gt=Now(),
            owner__is_active=True,
            owner__is_staff=True,
        )


class ApiToken(models.Model):
    """What a program shows instead of a password; `scopes` are names of permissions.

    `digest` is the SHA-256 of the token, which nobody can guess; `bound_to` is the hash that sessions of
    the owner carry, so that a token ends with the password it was made under.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens", verbose_name=_("owner")
    )
    purpose = models.CharField(_("purpose"), max_length=200)
    beginning = models.CharField(_("begins with"), max_length=8, unique=True)
    digest = models.BinaryField(max_length=32)
    bound_to = models.CharField(max_length=128)
    scopes = ArrayField(models.CharField(max_length=100), verbose_name=_("may"))
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    last_used_on = models.DateField(_("last used"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return f"{self.purpose} ({self.beginning}…)"


class ScopedUser(User):
    """A staff user as seen through a token: may what both the user and the token may."""

    scopes: frozenset[str] = frozenset()

    class Meta:
        proxy = True
        default_permissions = ()

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        return perm in self.scopes and super().has_perm(perm, obj)

    def has_perms(self, perm_list: Iterable[str], obj: Any = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        inside = any(scope.startswith(f"{app_label}.") for scope in self.scopes)
        return inside and super().has_module_perms(app_label)

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        return super().get_all_permissions(obj) & self.scopes
