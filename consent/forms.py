"""What people type and tick on the public pages, cleaned."""

import time
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core import signing
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from consent.answers import Question
from consent.models import Topic, Wording
from consent.services import Choice
from contacts import addresses, fields
from contacts.models import DataField

LEAST_SECONDS = 2
STAMP_LIFETIME_S = 24 * 60 * 60


class AddressForm(forms.Form):
    """One email address."""

    email = forms.CharField(
        label=_("Email address"),
        max_length=320,
        error_messages={"required": _("Please type your email address.")},
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def clean_email(self) -> str:
        try:
            return addresses.normalize_email(self.cleaned_data["email"])
        except addresses.AddressError:
            raise forms.ValidationError(
                _("This is not a complete email address, like name@example.org.")
            ) from None


class AnswerField(forms.Field):
    """The optional answer to a question, in the form that its registered field is kept in."""

    def __init__(self, question: Question) -> None:
        self.question = question
        super().__init__(
            required=False,
            label=question.field.text("label"),
            help_text=question.field.text("purpose").rstrip("."),
            widget=_widget(question.field),
        )

    def clean(self, value: object) -> fields.Value | None:
        if isinstance(value, str):
            value = value.strip()
        if not value:
            return None
        if isinstance(value, str) and len(value) > fields.LONGEST_TEXT:
            raise forms.ValidationError(_("This is too long."))
        try:
            return fields.clean(self.question.field, value)
        except fields.FieldError:
            raise forms.ValidationError(_("This does not fit; please check it.")) from None


def _widget(field: DataField) -> forms.Widget:
    text = {"maxlength": fields.LONGEST_TEXT, "autocomplete": "off"}
    options = [(choice, field.choice_text(choice)) for choice in field.choices]
    if field.type == DataField.Type.LIST and options:
        return forms.CheckboxSelectMultiple(choices=options)
    if field.type == DataField.Type.CHOICE:
        return forms.Select(choices=[("", _("No answer")), *options])
    if field.type == DataField.Type.YES_NO:
        return forms.Select(choices=[("", _("No answer")), ("yes", _("Yes")), ("no", _("No"))])
    if field.type == DataField.Type.DATE:
        return forms.DateInput(attrs={"type": "date"})
    if field.type == DataField.Type.NUMBER:
        return forms.TextInput(attrs=text | {"inputmode": "decimal"})
    return forms.TextInput(attrs=text)


class SignUpForm(AddressForm):
    """An address, the boxes ticked, and optional answers; a box is the digest of the words beside it."""

    yes = forms.ModelMultipleChoiceField(
        label=_("What would you like?"),
        queryset=Wording.objects.none(),
        to_field_name="digest",
        error_messages={
            "required": _("Tick at least one box."),
            "invalid_choice": _("Some of the words have changed. Please read them and tick again."),
            "invalid_pk_value": _(
                "Some of the words have changed. Please read them and tick again."
            ),
        },
    )

    def __init__(
        self,
        *args: Any,
        wordings: list[Wording],
        questions: Sequence[Question] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.questions = questions
        for question in questions:
            self.fields[question.name] = AnswerField(question)
        self.wordings = wordings
        self.fields["yes"].queryset = Wording.objects.filter(  # type: ignore[attr-defined]
            pk__in=[wording.pk for wording in wordings]
        ).select_related("topic")

    @property
    def is_trap_sprung(self) -> bool:
        """A field that people do not see was filled in."""
        return bool(self.data.get("website"))

    @property
    def asked(self) -> list[forms.BoundField]:
        return [self[question.name] for question in self.questions]

    @property
    def answers(self) -> dict[str, fields.Value]:
        """What was answered, by the key of the registered field."""
        given = {q.field.key: self.cleaned_data.get(q.name) for q in self.questions}
        return {key: value for key, value in given.items() if value is not None}

    @property
    def ticked(self) -> set[str]:
        """The digests to show ticked when the form comes back with a question."""
        return set(self.data.getlist("yes")) if isinstance(self.data, QueryDict) else set()


def form_stamp() -> str:
    """A signed note of when a form was shown."""
    return signing.TimestampSigner(salt="consent.form").sign("shown")


def seconds_since(stamp: str) -> float | None:
    """How long ago a form was shown; None for no stamp, one that is not ours or one of another day."""
    signer = signing.TimestampSigner(salt="consent.form")
    try:
        signer.unsign(stamp, max_age=STAMP_LIFETIME_S)
    except signing.BadSignature:
        return None
    return time.time() - signing.b62_decode(stamp.split(":")[1])


def changed_boxes(posted: QueryDict) -> list[Choice]:
    """What the person changed on the preference page, compared with what it had shown them.

    `shown` values are `topic:channel:digest:was`, `yes` values `topic:channel`. A box that was not on the
    page is not changed by it, and a page left open does not bring back an older state.
    """
    yes = set(posted.getlist("yes"))
    topics = Topic.objects.published().in_bulk(field_name="key")
    choices = []
    for value in posted.getlist("shown"):
        key, channel, digest, was = (value.split(":") + [""] * 3)[:4]
        is_wanted = f"{key}:{channel}" in yes
        if key in topics and channel in topics[key].channels and is_wanted != (was == "1"):
            choices.append(Choice(topics[key], channel, is_wanted, _words(digest, key, channel)))
    return choices


def every_box(posted: QueryDict) -> list[Choice]:
    """A yes to every box that was on the preference page."""
    everything = posted.copy()
    everything.setlist("yes", [":".join(v.split(":")[:2]) for v in posted.getlist("shown")])
    return [choice for choice in changed_boxes(everything) if choice.wording]


def _words(digest: str, topic_key: str, channel: str) -> Wording | None:
    return (
        Wording.objects.published()
        .filter(digest=digest, topic__key=topic_key, channel=channel)
        .select_related("topic")
        .first()
    )
