"""The audit trail: who did what, through which door, from which address.

The database writes down what changes (see `config/watch.py`); here is said whose act it is, and noted what
changes no row: signing in, looking, taking out.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest

from config.models import AuditEntry
from consent.budgets import client_address

Action = AuditEntry.Action
Staff = AbstractBaseUser | AnonymousUser | None


def attribute(request: HttpRequest, staff: Staff) -> None:
    """From here to the end of the request, what changes in the database is this staff member's act."""
    if staff is None or not staff.is_authenticated:
        return
    _tell_database(str(staff.pk), door_of(request), address_of(request) or "")
    request._is_attributed = True  # type: ignore[attr-defined]


def end(request: HttpRequest) -> None:
    """Nobody acts any more on this connection."""
    if getattr(request, "_is_attributed", False):
        try:
            _tell_database("", "", "")
        except (OperationalError, InterfaceError):
            connection.close()  # the next one starts without anybody


def note(
    request: HttpRequest | None,
    action: str,
    *,
    staff: Staff = None,
    object_type: str = "",
    object_id: object = "",
    part: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an act into the trail that changes no row that the database watches."""
    known = staff if staff is not None and staff.is_authenticated else None
    AuditEntry.objects.create(
        action=action,
        staff_id=known.pk if known else None,
        object_type=object_type,
        object_id=str(object_id),
        part=part,
        details=dict(details or {}),
        door=door_of(request) if request else "",
        address=address_of(request) if request else None,
    )


def door_of(request: HttpRequest) -> str:
    match = request.resolver_match
    return match.view_name[:120] if match else ""


def address_of(request: HttpRequest) -> str | None:
    """The address as our own proxies saw it, or nothing where it is none."""
    try:
        return str(ipaddress.ip_address(client_address(request)))
    except ValueError:
        return None


def _tell_database(staff: str, door: str, address: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('assent.staff', %s, false), set_config('assent.door', %s, false),"
            " set_config('assent.address', %s, false)",
            [staff, door, address],
        )
