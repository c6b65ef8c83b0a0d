"""The form of a registered field: choices line by line, and what people read in every other language."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanWidget,
)

from contacts import choices, segments
from contacts.models import DataField

OTHERS = [(code, name) for code, name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
PERMITS = re.compile(r"permission\.([^.]+)\.data")
CHOSEN = {DataField.Type.CHOICE, DataField.Type.LIST}
SAME_ORDER = _("One per line, in the order of the choices themselves.")


class LinesField(forms.Field):
    """Values one per line; kept as a list without blanks and without a value twice."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        ProhibitNullCharactersValidator()(value)
        lines = [line.strip() for line in str(value or "").splitlines()]
        return list(dict.fromkeys(line for line in lines if line))


class DataFieldForm(forms.ModelForm):
    """A field with its translations as plain fields, named like `label_fr`."""

    choices = LinesField(
        label=_("Choices"),
        required=False,
        help_text=_("The values of a choice or a list, one per line."),
    )
    topic_key = forms.ChoiceField(
        label=_("Depends on the permission"),
        required=False,
        help_text=_("Erased where the person does not permit this use of data."),
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = DataField
        fields = (
            "label", "key", "type", "choices", "is_asked_at_sign_up", "need", "basis", "purpose",
            "justification", "topic_key", "owner", "retention_days", "review_on", "retired_at",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "topic_key" in self.fields:
            self.fields["topic_key"].choices = _uses(self.instance.topic_key)  # type: ignore[attr-defined]
        for code, _name in OTHERS:
            known = self.instance.translations.get(code, {})
            for part in ("label", "purpose"):
                if f"{part}_{code}" in self.fields:
                    self.fields[f"{part}_{code}"].initial = known.get(part, "")
            if f"choices_{code}" in self.fields:
                self.fields[f"choices_{code}"].initial = _in_order(self.instance, known)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("basis") == DataField.Basis.CONSENT and cleaned.get("topic_key") == "":
            self.add_error("topic_key", _("Consent is given to a use of data: say to which one."))
        kind = cleaned.get("type") or self.instance.type
        if kind == DataField.Type.CHOICE and cleaned.get("choices") == []:
            self.add_error("choices", _("Write the choices, one per line."))
        if self.instance.pk and kind in CHOSEN:
            try:
                choices.check(self.instance, wanted=cleaned.get("choices") or ())
            except choices.ChoiceError as refusal:
                self.add_error("choices", str(refusal))
        for code, _name in OTHERS:
            given = cleaned.get(f"choices_{code}") or []
            if given and len(given) != len(cleaned.get("choices") or []):
                self.add_error(
                    f"choices_{code}",
                    ValidationError(
                        _("Give one line for each choice, in the same order, or none.")
                    ),
                )
        return cleaned

    def save(self, commit: bool = True) -> Any:
        for code, _name in OTHERS:
            self.instance.translations[code] = self._words_in(code)
        return super().save(commit)

    def _words_in(self, code: str) -> dict[str, Any]:
        words = {
            part: self.cleaned_data.get(f"{part}_{code}", "").strip()
            for part in ("label", "purpose")
        }
        said = self.cleaned_data.get(f"choices_{code}") or []
        return {part: text for part, text in words.items() if text} | (
            {"choices": dict(zip(self.instance.choices, said, strict=True))} if said else {}
        )


def _uses(current: str) -> list[tuple[str, Any]]:
    """The uses of data that people can permit now; what stands is among them, whatever became of it."""
    asked = ((PERMITS.fullmatch(name), condition) for name, condition in segments.known().items())
    uses = {found[1]: condition.label for found, condition in asked if found}
    if current:
        uses.setdefault(current, current)
    return [("", _("No permission")), *uses.items()]


def _in_order(field: DataField, known: Mapping[str, Any]) -> list[str]:
    """The translated choices, in the order of the choices; none where none is translated."""
    said: dict[str, str] = known.get("choices", {})
    return [said.get(choice, choice) for choice in field.choices] if said else []


def _translated_fields() -> dict[str, Any]:
    """The declared fields of the form for each part in each other language."""
    declared: dict[str, Any] = {}
    for code, _name in OTHERS:
        declared[f"label_{code}"] = forms.CharField(
            label=_("Label"), required=False, max_length=100, widget=UnfoldAdminTextInputWidget
        )
        declared[f"purpose_{code}"] = forms.CharField(
            label=_("Purpose"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
        )
        declared[f"choices_{code}"] = LinesField(
            label=_("Choices"), required=False, help_text=SAME_ORDER
        )
    return declared


class ReplaceForm(forms.Form):
    """A choice, and either what it becomes or that it is erased."""

    choice = forms.ChoiceField(label=_("Choice"), widget=UnfoldAdminSelectWidget)
    becomes = forms.CharField(
        label=_("It becomes"),
        required=False,
        max_length=200,
        help_text=_("Another choice, or a new one."),
        widget=UnfoldAdminTextInputWidget,
    )
    is_erased = forms.BooleanField(
        label=_("Erase it of everybody who holds it"),
        required=False,
        widget=UnfoldBooleanWidget,
    )

    def __init__(self, field: DataField, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = choices.held(field)
        self.fields["choice"].choices = [  # type: ignore[attr-defined]
            (choice, _held_by(choice, people.get(choice, 0))) for choice in field.choices
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if bool(cleaned.get("becomes")) == cleaned["is_erased"]:
            self.add_error("becomes", _("Say what it becomes, or have it erased."))
        return {"choice": cleaned.get("choice", ""), "becomes": cleaned.get("becomes", "")}


def _held_by(choice: str, people: int) -> str:
    said = ngettext("%(choice)s (%(people)d person)", "%(choice)s (%(people)d people)", people)
    return said % {"choice": choice, "people": people}


TranslatedDataFieldForm = type("TranslatedDataFieldForm", (DataFieldForm,), _translated_fields())
TRANSLATED = [
    (name, {"fields": (f"label_{code}", f"purpose_{code}", f"choices_{code}"), "classes": ["tab"]})
    for code, name in OTHERS
]
