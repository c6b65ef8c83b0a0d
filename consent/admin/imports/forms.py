"""What staff say about a file: the file itself, what each column means, and what the whole of it shows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import phonenumbers
from django import forms
from django.conf import settings
from django.forms import BoundField
from django.template.defaultfilters import filesizeformat
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from consent import imports, uploads
from consent.admin.imports.samples import Column
from consent.imports import declaration, encodings, mapping, moments, values
from consent.models import Topic
from contacts.models import Channel, DataField, StaticList

PEOPLE, SUPPRESSIONS = "people", "suppressions"
KINDS = [
    (PEOPLE, _("People, with what they said")),
    (SUPPRESSIONS, _("Addresses that must not be written to (a suppression list)")),
]
PERSON = "email phone first_name last_name name language timezone lifecycle tags".split()
DATES = ["created_at", "last_active_at", "attributes"]
OF_SUPPRESSIONS = ["email", "phone", "stopped_at"]
STATUSES = [
    ("", _("As each row says")),
    (values.YES, _("Subscribed")),
    (values.PENDING, _("Asked, never confirmed")),
    (values.WITHDRAWN, _("Unsubscribed")),
    (values.BOUNCED, _("Bounced")),
    (values.NONE, _("Never asked")),
]
SAID_STATUSES = [*STATUSES, (values.SUPPRESSED, dict(KINDS)[SUPPRESSIONS])]
CHANNELS = [(each.value, each.label) for each in (Channel.EMAIL, Channel.SMS)]
DAY_FIRST = [
    ("", _("Refuse them: nobody knows which is the day")),
    ("day", _("The day comes first")),
    ("month", _("The month comes first")),
]


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        max_length=255,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.tsv,.txt,text/csv"}),
        help_text=_(
            "CSV or TSV in any usual encoding, also as exported by Mailchimp, Brevo, listmonk, Mautic or"
            " HubSpot. The first line names the columns; a mere list of addresses needs none."
        ),
        error_messages={"empty": _("This file is empty.")},
    )
    kind = forms.ChoiceField(
        label=_("What is in it?"),
        choices=KINDS,
        initial=PEOPLE,
        widget=UnfoldAdminRadioSelectWidget,
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > uploads.LARGEST_BYTES:
            raise forms.ValidationError(
                _("This file is larger than %s. Divide it, or use the command import_contacts.")
                % filesizeformat(uploads.LARGEST_BYTES)
            )
        return file


class EncodingForm(forms.Form):
    """In which encoding a file is read, to be shown beside its letters."""

    encoding = forms.ChoiceField(
        label=_("Encoding"), required=False, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, codec: str) -> None:
        super().__init__(initial={"encoding": codec})
        names = {codec: encodings.name_of(codec)} | encodings.names()
        by_name = sorted(names.items(), key=lambda each: each[1])
        self.fields["encoding"].choices = by_name  # type: ignore[attr-defined]


class ColumnsForm(forms.Form):
    """One choice per column of the file: what it is imported as, or that it is left out."""

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        chosen: Mapping[str, str],
        fields: Iterable[DataField],
        is_suppressions: bool,
        data: Any = None,
        initial: Any = None,
    ) -> None:
        super().__init__(data, initial=initial)
        self.columns = columns
        choices = _suppression_targets() if is_suppressions else _targets(fields)
        for place, column in enumerate(columns):
            self.fields[f"column-{place}"] = forms.ChoiceField(
                label=column.name,
                required=False,
                choices=choices,
                initial=chosen.get(column.name, ""),
                widget=UnfoldAdminSelectWidget,
            )

    def rows(self) -> Iterator[tuple[Column, BoundField]]:
        for place, column in enumerate(self.columns):
            yield column, self[f"column-{place}"]

    @property
    def mapping(self) -> dict[str, str]:
        return {
            column.name: self.cleaned_data[f"column-{place}"]
            for place, column in enumerate(self.columns)
        }


def _named(targets: Iterable[str]) -> list[tuple[str, Any]]:
    return [(target, capfirst(str(mapping.TARGETS[target]))) for target in targets]


def _suppression_targets() -> list[Any]:
    return [("", _("— left out —")), *_named(OF_SUPPRESSIONS)]


def _targets(fields: Iterable[DataField]) -> list[Any]:
    consent = [each for each in mapping.TARGETS if each not in (*PERSON, *DATES)]
    registered = [(f"{mapping.FIELD}{each.key}", each.label) for each in fields]
    return [
        ("", _("— left out —")),
        (_("Person"), _named(PERSON)),
        (_("Consent"), _named(consent)),
        (_("More"), _named(DATES)),
        *([(_("Registered fields"), registered)] if registered else []),
    ]


class SuppressionsForm(forms.Form):
    """What counts for a whole list of suppressed addresses."""

    region = forms.CharField(
        label=_("Country of phone numbers without one"),
        required=False,
        max_length=2,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "FR"}),
    )

    def clean_region(self) -> str:
        region: str = self.cleaned_data["region"].upper()
        if region and region not in phonenumbers.SUPPORTED_REGIONS:
            raise forms.ValidationError(_("There is no country “%s”; write it like FR.") % region)
        return region

    @property
    def source(self) -> str:
        return ""

    @property
    def declared(self) -> dict[str, Any]:
        """As `ImportBatch.declared` keeps it."""
        return {"status": values.SUPPRESSED, "region": self.cleaned_data["region"]}


class EvidenceForm(SuppressionsForm):
    """What counts for every row that does not say otherwise."""

    acquisition = forms.ChoiceField(
        label=_("How did these people come to this list?"),
        choices=[
            (declaration.OWN, _("They gave us their address themselves")),
            ("other", _("The list was bought, rented, or collected by somebody else")),
        ],
        widget=UnfoldAdminRadioSelectWidget,
    )
    topic = forms.ModelChoiceField(
        label=_("Topic"),
        queryset=Topic.objects.published().order_by("position", "key"),
        to_field_name="key",
        required=False,
        empty_label=_("As each row says"),
        widget=UnfoldAdminSelectWidget,
    )
    channel = forms.ChoiceField(
        label=_("Channel"),
        choices=[("", _("As each row says")), *CHANNELS],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    status = forms.ChoiceField(
        label=_("Status"), choices=STATUSES, required=False, widget=UnfoldAdminSelectWidget
    )
    source_said = forms.CharField(
        label=_("Where they said yes"),
        required=False,
        max_length=4000,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("A form and its address, a fair, a paper in the shop …"),
    )
    occurred_at = forms.DateField(
        label=_("When they said yes"),
        required=False,
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    wording = forms.CharField(
        label=_("The words they were shown"),
        required=False,
        max_length=4000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    evidence_file = forms.FileField(
        label=_("The form or paper that shows it"),
        required=False,
        max_length=255,
        widget=UnfoldAdminFileFieldWidget,
        help_text=_(
            "A picture or PDF of the form as people saw it, or of the contract with whoever collected it;"
            " kept with this import, 5 MB at most."
        ),
        error_messages={"empty": _("This file is empty.")},
    )
    tag = forms.CharField(
        label=_("Give these people the tag"),
        required=False,
        max_length=declaration.LONGEST_TAG,
        widget=UnfoldAdminTextInputWidget,
    )
    list = forms.ModelChoiceField(
        label=_("Put these people on the list"),
        queryset=StaticList.objects.order_by("name"),
        required=False,
        empty_label=_("No list"),
        widget=UnfoldAdminSelectWidget,
    )
    language = forms.ChoiceField(
        label=_("Language of people whose own is not in the file"),
        choices=settings.LANGUAGES,
        widget=UnfoldAdminSelectWidget,
    )
    day_first = forms.ChoiceField(
        label=_("Dates like 03/04/2025"),
        choices=DAY_FIRST,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )

    field_order = (
        "acquisition topic channel status source_said occurred_at wording evidence_file tag list"
        " language region day_first"
    ).split()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["topic"].label_from_instance = lambda topic: topic.name  # type: ignore[attr-defined]

    def clean_occurred_at(self) -> Any:
        day = self.cleaned_data["occurred_at"]
        if day and day > moments.latest_moment().date():
            raise forms.ValidationError(_("This day lies in the future."))
        return day

    def clean_evidence_file(self) -> Any:
        file = self.cleaned_data["evidence_file"]
        if file and file.size > imports.LARGEST_EVIDENCE_BYTES:
            raise forms.ValidationError(str(imports.EvidenceTooLarge()))
        return file

    @property
    def source(self) -> str:
        said: str = self.cleaned_data["source_said"]
        return said

    @property
    def declared(self) -> dict[str, Any]:
        said = self.cleaned_data
        day_first = {"day": True, "month": False}.get(said["day_first"])
        return {
            "acquisition": said["acquisition"],
            "topic": said["topic"].key if said["topic"] else "",
            "channel": said["channel"],
            "status": said["status"],
            "occurred_at": said["occurred_at"].isoformat() if said["occurred_at"] else "",
            "wording": said["wording"],
            "language": said["language"],
            "region": said["region"],
            "day_first": day_first,
            "tag": said["tag"],
            "list": said["list"].pk if said["list"] else "",
        }


def initial_of(declared: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """The form of evidence as it was filled in before; at first, in the language of who fills it in."""
    day_first = {True: "day", False: "month"}.get(declared.get("day_first"), "")  # type: ignore[arg-type]
    known = {value for value, _words in STATUSES}
    word = values.STATUSES.get(str(declared.get("status") or ""), "")
    status = word if word in known else ""
    said = {"source_said": source, "day_first": day_first, "status": status}
    return {"language": get_language(), **declared, **said}
