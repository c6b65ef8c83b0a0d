"""Why did this person get a campaign, or why not: one delivery, or the gate's answer at this moment.

An address is posted, never put into the address of a page, where logs and histories would keep it.
"""

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from campaigns import audience, replies
from campaigns.admin import workspace
from campaigns.admin.deliveries import reason_text
from consent import gate
from consent.models import Permission
from contacts.admin.finding import find_person
from contacts.admin.names import address_of, may_see_identity, name_of


class PersonForm(forms.Form):
    person = forms.CharField(
        label=_("Who?"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Exact email address, phone number or pseudonym"),
    )


def show_person(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign = workspace.load(model_admin, request, object_id, "campaigns.view_delivery")
    form = PersonForm(request.POST or None)
    sought = form.cleaned_data["person"] if form.is_valid() else ""
    contact = find_person(request, sought) if sought else None
    delivery = contact and campaign.deliveries.filter(contact=contact).first()
    decision = contact and gate.explain(
        contact=contact, topic=campaign.topic, channel=campaign.channel
    )
    unreadable = audience.unreadable(campaign) if campaign.started_at is None else []
    is_clear = contact is not None and may_see_identity(request, contact.pk)
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/campaigns/person.html",
        title=campaign.name,
        form=form,
        sought=sought,
        contact=contact,
        name=name_of(contact, is_clear=is_clear) if contact else "",
        address=address_of(contact, campaign.channel, is_clear=is_clear) if contact else "",
        delivery=delivery,
        reason=reason_text(delivery.reason) if delivery else "",
        said=replies.explained(delivery.diagnostic) if delivery else "",
        decision=decision,
        decision_state=dict(Permission.State.choices).get(decision.state, "") if decision else "",
        decision_reason=reason_text(decision.reason) if decision else "",
        unreadable=unreadable,
        is_meant=contact is not None
        and campaign.started_at is None
        and not unreadable
        and audience.candidates(campaign).filter(pk=contact.pk).exists(),
    )
