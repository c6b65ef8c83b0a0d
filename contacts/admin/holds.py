"""Holds: whose data may not be erased for now, and for which reason in law."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from contacts import rights, services
from contacts.admin import acts
from contacts.admin.lists import BigList
from contacts.admin.noting import Noted, NoteForm
from contacts.models import Contact, Hold


class HoldForm(NoteForm):
    reason = forms.CharField(
        label=_("Reason"),
        widget=UnfoldAdminTextareaWidget,
        help_text=_("The law or the claim it is kept for. The person can be told this."),
    )

    class Meta:
        model = Hold
        fields = ("reason",)

    def clean_person(self) -> Contact:
        contact = super().clean_person()
        if contact.holds.standing().exists():
            raise forms.ValidationError(_("A hold on this person's data stands already."))
        return contact


@admin.register(Hold)
class HoldAdmin(Noted, BigList):
    empty_text = _(
        "Nobody's data is held. A hold keeps a person from being erased while a law or a claim "
        "needs the data."
    )
    form = HoldForm
    list_display = ("placed_at", "person", "standing", "lifted_at")
    list_select_related = ("contact",)
    actions_detail = ("lift",)
    readonly_fields = ("contact", "reason", "placed_at", "placer", "lifted_at")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            placed = rights.place_hold(
                contact=form.cleaned_data["person"],
                reason=form.cleaned_data["reason"],
                placer_id=request.user.pk,
            )
            obj.pk = placed.pk
            obj.refresh_from_db()

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        hold = self.get_object(request, str(object_id))
        is_standing = hold is not None and hold.lifted_at is None
        return super().get_actions_detail(request, object_id) if is_standing else []

    @action(description=_("Lift the hold"), url_path="lift", permissions=["change"])
    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        hold = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            hold,
            title=_("Lift the hold"),
            sentence=_("From then on this person can be erased, by themselves or by you."),
            button=_("Lift the hold"),
            act=lambda: rights.lift_hold(hold=hold),
            done=_("The hold is lifted."),
            refusals=(services.ContactError,),
        )

    @display(description=_("state"), label={"standing": "warning"})
    def standing(self, hold: Hold) -> tuple[str, Any]:
        return ("lifted", _("lifted")) if hold.lifted_at else ("standing", _("stands"))
