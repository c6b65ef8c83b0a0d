"""Moves every stored fingerprint on to the newest key; no address in clear is needed for it."""

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models, transaction

from contacts import addresses, services
from contacts.models import KeyCheck

BATCH = 10_000
_LOCK = 8502


class RingRefused(ImproperlyConfigured):
    """The ring has to begin with the keys that the addresses are stored under."""


@transaction.atomic
def rotate() -> dict[str, int]:
    """Chain the keys that came to the ring over every fingerprint; returns how many, by table.

    All or nothing, alone in the database's fingerprints: nobody else may compute one meanwhile, so stop
    everything first. Raises `RingRefused` where the ring lost a key or has them in another order.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    ring = settings.ASSENT_KEYS[services.FINGERPRINTS]
    stored = list(
        KeyCheck.objects.filter(ring=services.FINGERPRINTS)
        .order_by("position")
        .values_list("key_id", flat=True)
    )
    if list(ring)[: len(stored)] != stored:
        raise RingRefused(RingRefused.__doc__)
    added = {key_id: key for key_id, key in ring.items() if key_id not in stored}
    advanced = {model._meta.db_table: 0 for model in fingerprinted()}
    if added:
        for table in advanced:
            advanced[table] = _advance(table, list(added.values()))
        KeyCheck.objects.bulk_create(
            KeyCheck(
                ring=services.FINGERPRINTS,
                key_id=key_id,
                check_value=services.check_value(services.FINGERPRINTS, key),
                position=list(ring).index(key_id),
            )
            for key_id, key in added.items()
        )
    return advanced


def fingerprinted() -> list[type[models.Model]]:
    """Every table of any app that keeps fingerprints."""
    return [
        model
        for model in apps.get_models()
        if any(field.name == "fingerprint" for field in model._meta.concrete_fields)
    ]


def _advance(table: str, keys: list[bytes]) -> int:
    advanced, last = 0, 0
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        while True:
            cursor.execute(
                f"SELECT id, fingerprint FROM {table} WHERE id > %s AND fingerprint IS NOT NULL"
                " ORDER BY id LIMIT %s",
                [last, BATCH],
            )
            rows = cursor.fetchall()
            if not rows:
                return advanced
            cursor.execute(
                f"UPDATE {table} t SET fingerprint = n.fingerprint"
                " FROM unnest(%s::bigint[], %s::bytea[]) AS n(id, fingerprint) WHERE t.id = n.id",
                [
                    [pk for pk, _old in rows],
                    [addresses.advance(bytes(old), keys) for _pk, old in rows],
                ],
            )
            advanced, last = advanced + len(rows), rows[-1][0]
