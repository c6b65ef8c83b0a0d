"""Who may do what over the API."""

from typing import Any

from rest_framework import permissions
from rest_framework.request import Request


class ModelPermissions(permissions.DjangoModelPermissions):
    """Reading needs the `view` permission too: nothing here is for everybody who can sign in.

    An action that does more than its HTTP method says names its own permission in the view's `needs`.
    """

    perms_map = permissions.DjangoModelPermissions.perms_map | {
        "GET": ["%(app_label)s.view_%(model_name)s"],
        "HEAD": ["%(app_label)s.view_%(model_name)s"],
    }

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = getattr(view, "needs", {}).get(getattr(view, "action", None))
        if needed is None:
            return super().has_permission(request, view)
        return bool(
            request.user and request.user.is_authenticated and request.user.has_perm(needed)
        )
