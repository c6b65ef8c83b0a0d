"""The form on which people correct what is kept of them; only what they change is changed."""

import zoneinfo
from collections.abc import Iterator
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from consent.answers import as_typed, questions_about
from consent.forms import AnswerField
from contacts.models import Contact, Identity

AREAS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split()
)
NAMES = ("first_name", "last_name")
PROFILE = ("language", "timezone")


class CorrectionForm(forms.Form):
    """Names, language, time zone and registered fields, filled with what is kept."""

    first_name = forms.CharField(
        label=_("First name"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "family-name"}),
    )
    language = forms.ChoiceField(label=_("Language"))
    timezone = forms.ChoiceField(label=_("Time zone"), required=False)

    def __init__(self, posted: QueryDict | None = None, *, contact: Contact) -> None:
        identity = Identity.objects.filter(contact=contact).first()
        self.questions = questions_about(contact)
        self.kept = contact.attributes
        initial = {
            **{name: getattr(identity, name, "") for name in NAMES},
            **{name: getattr(contact, name) for name in PROFILE},
            **{q.name: as_typed(q.field, self.kept.get(q.field.key)) for q in self.questions},
        }
        super().__init__(posted, initial=initial)
        self.fields["language"].choices = _languages(contact.language)  # type: ignore[attr-defined]
        self.fields["timezone"].choices = _zones(contact.timezone)  # type: ignore[attr-defined]
        for question in self.questions:
            self.fields[question.name] = AnswerField(question)

    @property
    def own(self) -> list[forms.BoundField]:
        return [self[name] for name in (*NAMES, *PROFILE)]

    @property
    def asked(self) -> list[forms.BoundField]:
        return [self[question.name] for question in self.questions]

    @property
    def corrections(self) -> dict[str, Any]:
        """What changed, as `contacts.services.update_contact` takes it; a value taken back is None."""
        own = {
            name: self.cleaned_data[name]
            for name in (*NAMES, *PROFILE)
            if name in self.changed_data
        }
        answers = {
            q.field.key: self.cleaned_data[q.name]
            for q in self.questions
            if q.name in self.changed_data
            and self.cleaned_data[q.name] != self.kept.get(q.field.key)
        }
        return own | ({"attributes": answers} if answers else {})


def _languages(current: str) -> list[tuple[str, str]]:
    known = [
        (code, get_language_info(code)["name_local"].capitalize())
        for code, _n in settings.LANGUAGES
    ]
    return known if current in dict(known) else [(current, current), *known]


def _zones(current: str) -> list[tuple[str, Any]]:
    """Grouped by area as the tz database does; what is kept is among them even where it is not known."""
    areas: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(zoneinfo.available_timezones()):
        area, _slash, place = name.partition("/")
        if place and area in AREAS:
            areas.setdefault(area, []).append((name, place.replace("_", " ").replace("/", ", ")))
    return [("", _("Not known")), *_unlisted(current, areas), *areas.items()]


def _unlisted(current: str, areas: dict[str, list[tuple[str, str]]]) -> Iterator[tuple[str, str]]:
    if current and not any(current == name for zones in areas.values() for name, _p in zones):
        yield current, current
