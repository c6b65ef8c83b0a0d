"""Static lists: people put together by hand, filled and emptied by segment, by pasted words or by file."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from contacts import gathering, segments
from contacts.admin import acts
from contacts.admin.named import Named
from contacts.admin.names import VIEW_IDENTITY
from contacts.models import Contact, Segment, StaticList

LARGEST_FILE = 2_000_000
NEWEST = 20


class PeopleForm(forms.Form):
    """Whom to put on a list or take off it: a segment's people, and those a text or a file names."""

    segment = forms.ModelChoiceField(
        Segment.objects.order_by("name"),
        label=gettext_lazy("Everybody in the segment"),
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    words = forms.CharField(
        label=gettext_lazy("These people"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
    )
    file = forms.FileField(
        label=gettext_lazy("Those in a file"),
        required=False,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.tsv,.txt,text/plain,text/csv"}),
        help_text=gettext_lazy("Text or CSV, at most 2 MB; other columns are passed over."),
    )

    def __init__(self, *args: Any, with_addresses: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.with_addresses = with_addresses
        self.fields["words"].help_text = (
            _("Email addresses or pseudonyms, separated as you like.")
            if with_addresses
            else _("Pseudonyms, separated as you like; addresses are for those who may see them.")
        )

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        if file.size > LARGEST_FILE:
            raise forms.ValidationError(_("This file is too large: import it."))
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise forms.ValidationError(_("This file is not UTF-8 text.")) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not any(cleaned.get(name) for name in ("segment", "words", "file")):
            raise forms.ValidationError(_("Name a segment or people."))
        if segment := cleaned.get("segment"):
            try:
                segments.validate(segment.rule)
            except segments.RuleError as error:
                self.add_error("segment", str(error))
        return cleaned


@admin.register(StaticList)
class StaticListAdmin(Named):
    empty_text = gettext_lazy(
        "A static list holds people put together by hand, for a segment to name."
    )
    list_display = ("name", "created_at")
    search_fields = ("name",)
    ordering = ("name",)
    actions_detail = ("put", "take")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("people", "newest", "used_by") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("name", *self.get_readonly_fields(request, obj))

    @action(
        description=gettext_lazy("Add people"),
        url_path="put",
        permissions=["change"],
        variant=ActionVariant.PRIMARY,
    )
    def put(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move(request, object_id, is_added=True)

    @action(description=gettext_lazy("Remove people"), url_path="take", permissions=["change"])
    def take(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._move(request, object_id, is_added=False)

    def _move(self, request: HttpRequest, object_id: str, *, is_added: bool) -> HttpResponse:
        static_list = acts.load(self, request, object_id)
        with_addresses = request.user.has_perm(VIEW_IDENTITY)
        form = PeopleForm(
            request.POST or None, request.FILES or None, with_addresses=with_addresses
        )
        done = Done()
        return acts.ask(
            self,
            request,
            static_list,
            title=_("Add people") if is_added else _("Remove people"),
            sentence=_("Only people who are known already. A list permits nothing to be sent."),
            button=_("Add") if is_added else _("Remove"),
            act=lambda segment, words, file: done.do(
                static_list,
                segment,
                gathering.named_in(f"{words}\n{file}", with_addresses=with_addresses),
                is_added=is_added,
            ),
            done=done,
            refusals=(gathering.GatheringError,),
            form=form,
        )

    @display(description=gettext_lazy("people"))
    def people(self, static_list: StaticList) -> int:
        return static_list.contacts.count()

    @display(description=gettext_lazy("for example"))
    def newest(self, static_list: StaticList) -> str:
        found = static_list.contacts.only("pk", "subject").order_by("-pk")[:NEWEST]
        links = [(acts.url_of(self.contacts, contact), contact.pseudonym) for contact in found]
        if not links:
            return _("Nobody is on it yet.")
        return format_html_join(" ", '<a href="{}"><code>{}</code></a>', links)

    @property
    def contacts(self) -> Any:
        return self.admin_site.get_model_admin(Contact)


class Done:
    """What was done, said once it is known."""

    def __init__(self) -> None:
        self.moved = self.unknown = 0
        self.is_added = True

    def do(
        self,
        static_list: StaticList,
        segment: Segment | None,
        named: gathering.Named,
        *,
        is_added: bool,
    ) -> None:
        move = gathering.add if is_added else gathering.remove
        self.is_added, self.unknown = is_added, named.unknown
        groups: list[QuerySet[Contact]] = [Contact.objects.filter(pk__in=named.contacts)]
        if segment:
            groups.append(segments.members(segment))
        self.moved = sum(move(static_list, people) for people in groups)

    def __str__(self) -> str:
        added = ngettext("%d person was added.", "%d people were added.", self.moved)
        removed = ngettext("%d person was removed.", "%d people were removed.", self.moved)
        said = (added if self.is_added else removed) % self.moved
        if self.unknown:
            nobody = ngettext("%d word names nobody.", "%d words name nobody.", self.unknown)
            said = f"{said} {nobody % self.unknown}"
        return str(said)
