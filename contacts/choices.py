"""The choices of a field: none that people hold, or that a segment asks for, goes without a word."""

from collections.abc import Collection, Iterable

from celery import current_app
from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from contacts import segments
from contacts.models import DataField, Segment
from contacts.services import ContactError

MOST_HELD = 100
MOST_NAMED = 5


class ChoiceError(ContactError):
    """The choices cannot be changed so."""


class ChoiceUnknown(ChoiceError):
    """This is no choice of the field any more."""


class LastChoice(ChoiceError):
    """A field with choices keeps one at least: retire the field instead."""


class ChoiceAsked(ChoiceError):
    """A segment asks for this choice: mend the segment first."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        named = ", ".join(f"“{name}”" for name in names)
        sentence = _("Segments ask for this choice, mend them first: %(names)s.")
        super().__init__(sentence % {"names": named} if named else "")


class ChoiceHeld(ChoiceError):
    """People hold this choice: replace or erase it first."""

    def __init__(self, held: dict[str, int] | None = None) -> None:
        named = [
            ngettext("“%(value)s” (%(people)d person)", "“%(value)s” (%(people)d people)", people)
            % {"value": value, "people": people}
            for value, people in list((held or {}).items())[:MOST_NAMED]
        ]
        sentence = _("People hold what is no choice then: %(held)s. Replace or erase it first.")
        super().__init__(sentence % {"held": ", ".join(named)} if named else "")


def held(field: DataField, *, besides: Collection[str] = ()) -> dict[str, int]:
    """How many people hold each value that is none of `besides`, the most first, a hundred values at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT value, sum(people)::bigint
            FROM (
                SELECT attributes -> %(key)s AS held, count(*) AS people
                FROM contacts_contact WHERE attributes ? %(key)s GROUP BY 1
            ) AS grouped, jsonb_array_elements_text(
                CASE jsonb_typeof(held) WHEN 'array' THEN held ELSE jsonb_build_array(held) END
            ) AS value
            WHERE value <> ALL(%(besides)s::text[])
            GROUP BY value ORDER BY sum(people) DESC, value LIMIT %(most)s
            """,
            {"key": field.key, "besides": list(besides), "most": MOST_HELD},
        )
        return dict(cursor.fetchall())


def check(field: DataField, *, wanted: Collection[str]) -> None:
    """Whether the field may offer just these: raises `ChoiceAsked` and `ChoiceHeld`."""
    if not wanted or (field.choices and set(field.choices) <= set(wanted)):
        return
    for choice in field.choices:
        if choice not in wanted:
            _check_unasked(field, choice)
    on_their_way = [value for value, becomes in field.renamed.items() if becomes in wanted]
    if left := held(field, besides=[*wanted, *on_their_way]):
        raise ChoiceHeld(left)


def _check_unasked(field: DataField, choice: str) -> None:
    asked = (f"field.{field.key}", choice)
    rules = Segment.objects.order_by("name").values_list("name", "rule")
    if asking := [name for name, rule in rules if asked in segments.names_in(rule)]:
        raise ChoiceAsked(asking)


@transaction.atomic
def replace(*, field: DataField, choice: str, becomes: str) -> None:
    """Make a choice another one, old or new, of everybody who holds it; `becomes` "" erases it.

    A worker does so to the values, soon. Raises `ChoiceUnknown`, `ChoiceAsked` and `LastChoice`.
    """
    locked = DataField.objects.select_for_update(no_key=True).get(pk=field.pk)
    if choice not in locked.choices:
        raise ChoiceUnknown
    if choice == becomes:
        return
    _check_unasked(locked, choice)
    is_new = becomes not in locked.choices
    choices = [becomes if each == choice else each for each in locked.choices]
    locked.choices = [each for each in dict.fromkeys(choices) if each]
    if not locked.choices:
        raise LastChoice
    for words in locked.translations.values():
        if said := words.get("choices", {}).pop(choice, None):
            words["choices"].update({becomes: said} if becomes and is_new else {})
    renamed = {value: becomes if to == choice else to for value, to in locked.renamed.items()}
    renamed[choice] = becomes
    locked.renamed = {value: to for value, to in renamed.items() if to and value != becomes}
    locked.save(update_fields=["choices", "translations", "renamed"])
    field.refresh_from_db()
    transaction.on_commit(
        lambda: current_app.send_task("contacts.settle_choices", retry=False), robust=True
    )
