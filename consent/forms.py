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
from consent.sms import numbers, texting
from contacts import addresses, fields
from contacts.models import Channel, DataField

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


class ReachForm(AddressForm):
    """An email address or, where texts are sent, a mobile number; both are typed into one field."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.takes_numbers = texting.are_offered()

    def clean_email(self) -> str:
        typed = self.cleaned_data["email"]
        if not self.takes_numbers or "@" in typed:
            return super().clean_email()
        return clean_number(typed)

    @property
    def reached_at(self) -> dict[str, str]:
        """What was typed, as `email` or as `phone`."""
        typed = self.cleaned_data["email"]
        return {"email": typed} if "@" in typed else {"phone": typed}


def clean_number(typed: str) -> str:
    """The E.164 form of a mobile number that texts may go to, or a sentence that says what is wrong."""
    try:
        return numbers.normalize(typed)
    except numbers.NotMobile:
        raise forms.ValidationError(_("Text messages reach mobile numbers only.")) from None
    except numbers.CountryNotServed:
        raise forms.ValidationError(
            _("We send text messages only to numbers that begin with %(codes)s."),
            params={"codes": ", ".join(numbers.calling_codes())},
        ) from None
    except addresses.AddressError:
        raise forms.ValidationError(
            _("This is not a complete mobile number, like %(example)s."),
            params={"example": numbers.example()},
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
    """An address, a number, the boxes ticked, and optional answers.

    A box is the digest of the words beside it. An address or a number that no box needs is not kept.
    """

    phone = forms.CharField(label=_("Mobile number"), required=False, max_length=40)
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
        self.fields["email"].required = False
        self.questions = questions
        for question in questions:
            self.fields[question.name] = AnswerField(question)
        self.wordings = wordings
        self.fields["yes"].queryset = Wording.objects.filter(  # type: ignore[attr-defined]
            pk__in=[wording.pk for wording in wordings]
        ).select_related("topic")

    def clean_email(self) -> str:
        return super().clean_email() if self.cleaned_data["email"] else ""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.by_text:
            self._clean_phone()
        is_email_needed = bool(self.by_email) or not self.by_text
        if is_email_needed and not cleaned.get("email") and "email" not in self.errors:
            self.add_error("email", self.fields["email"].error_messages["required"])
        return cleaned

    def _clean_phone(self) -> None:
        typed = self.cleaned_data.get("phone", "")
        if not typed:
            words = _("Please type your mobile number, for the text messages that you ticked.")
            self.add_error("phone", words)
            return
        try:
            self.cleaned_data["phone"] = clean_number(typed)
        except forms.ValidationError as error:
            self.add_error("phone", error)

    @property
    def by_email(self) -> list[Wording]:
        """The words that the address is asked to confirm; uses of data go with it where there are any."""
        is_by_email = any(w.channel == Channel.EMAIL for w in self._chosen) or not any(
            w.channel == Channel.SMS for w in self._chosen
        )
        return [w for w in self._chosen if w.channel != Channel.SMS] if is_by_email else []

    @property
    def by_text(self) -> list[Wording]:
        """The words that the number is asked to confirm."""
        by_email = self.by_email
        return [w for w in self._chosen if w not in by_email]

    @property
    def _chosen(self) -> list[Wording]:
        return list(self.cleaned_data.get("yes") or [])

    @property
    def offers_texts(self) -> bool:
        return any(wording.channel == Channel.SMS for wording in self.wordings)

    @property
    def wants_texts(self) -> bool:
        """A box about text messages was ticked, whatever else is wrong with the form."""
        by_text = {w.digest for w in self.wordings if w.channel == Channel.SMS}
        return bool(by_text & self.ticked)

    @property
    def wants_mails(self) -> bool:
        """A box that needs an address was ticked."""
        others = {w.digest for w in self.wordings if w.channel == Channel.EMAIL}
        return bool(others & self.ticked) or not self.wants_texts

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
