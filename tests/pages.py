"""Every page of the admin: its lists with each filter and search, its forms, and the pages beside them.

Read off the admin itself, so that a page that somebody adds is there at once, or has to be named in
`NOT_MEASURED` with the reason. The benchmark times them; a fast test counts and explains their queries.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.filters import SimpleListFilter
from django.contrib.auth.models import User
from django.db import models
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from campaigns import audience
from campaigns.models import Campaign, Delivery, Image
from config.models import ApiToken, AuditEntry
from consent import renewing, sealing, verifications
from consent.models import ImportBatch, RefusedRow, ServiceMail, Suppression, Topic, Wording
from contacts import exports, rights
from contacts.models import Contact, IdentityView, Processor, Segment, StaticList, Tag
from tests import make

# Routes that show no page of ours, each with the reason.
NOT_MEASURED = {
    "login": "leads to the sign-in, which is a public page",
    "logout": "an act: it ends the session",
    "password_change": "the same form for whoever is signed in; it reads nobody else",
    "password_change_done": "a sentence",
    "jsi18n": "words of scripts",
    "view_on_site": "leads elsewhere; no model of ours has such a page",
    "autocomplete": "measured with the question that each form asks, as `… chooses`",
    "contacts_contact_ask_count": "an act: a worker counts",
    "contacts_datafield_count": "an act: a worker counts",
    "contacts_export_fetch": "a file; it reads as many people as were asked for",
    "contacts_subjectrequest_answer": "measured where it is open; the answer itself is an act",
    "consent_ledgercheckpoint_verify": "an act: a worker reads the ledger",
    "consent_ledgercheckpoint_export": "a file of one checkpoint",
    "consent_importbatch_rows": "a file of the rows of one import",
    "consent_importbatch_evidence": "a file that was uploaded",
    "consent_importbatch_discard": "an act on a draft of an import",
    "consent_importbatch_stop": "an act on an import that is running",
    "consent_importbatch_run": "an act: a worker imports",
    "consent_importbatch_columns": "reads an uploaded file, not the tables",
    "consent_importbatch_preview": "reads an uploaded file, and asks after a hundred of its rows",
    "consent_importbatch_refused": "leads to the list of refused rows",
    "consent_consentevent_go_to_person": "leads to the page of the person",
    "campaigns_campaign_settle": "an act, up to all that are unknown",
    "campaigns_image_upload": "an act: it encodes an image anew",
    "app_list": "leads to the first page",
    "consent_ledgercheckpoint_glance": "leads to the ledger at a glance",
}
# What the routes of Django's admin are called that ask before they write; closed where nothing can be.
GENERIC = ("add", "change", "delete", "history")
# The state that shows a page which other states lead away from.
STATES = ("draft", "scheduled", "sending", "paused", "held", "sent")
WRITTEN = {
    "language": "en", "layout": "newsletter", "markup": "markdown", "subject": "News",
    "preheader": "", "body": "Hello {{ first_name | default: 'reader' }}", "person": "",
}  # fmt: skip
SENT = "2026-01-02T00:00Z"
RULE = '{"condition": "language", "operator": "is", "value": "en"}'


class Page(NamedTuple):
    """One request, as a name and an address; a POST that only asks carries what is `posted`."""

    name: str
    address: str
    posted: dict[str, str] | None = None

    def ask(self, client: Client) -> Any:
        if self.posted is None:
            return client.get(self.address)
        return client.post(self.address, self.posted)


def routes() -> Iterator[tuple[str, str]]:
    """The name and route of everything below admin/."""
    for route, name in _patterns(get_resolver()):
        if route.startswith("admin/") and name:
            yield name, route


def pages() -> list[Page]:
    """Every page that there is to show, as things stand in the database."""
    found = []
    for name, route in routes():
        if name in NOT_MEASURED and name != "contacts_subjectrequest_answer":
            continue
        if "<" not in route:
            found.append(Page(name, reverse(f"admin:{name}"), _posted(name)))
        elif name.startswith("campaigns_campaign_"):
            found += _of_campaigns(name)
        elif "person/<" in route and (person := Contact.objects.order_by("pk").first()):
            found.append(Page(name, reverse(f"admin:{name}", args=[person.pk])))
        elif thing := _newest(name):
            found.append(Page(name, reverse(f"admin:{name}", args=[thing.pk]), _posted(name)))
    return [*found, *_lists(), *_searches(), *_special()]


def _patterns(resolver: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.name or ""


def _posted(name: str) -> dict[str, str] | None:
    """What is posted to the pages that answer a question by POST and write nothing."""
    topic, sender = make.topic(), make.sender()
    asked = {"topic": str(topic.pk), "sender": str(sender.pk), "channel": "email"}
    return {
        "contacts_segment_count": {"rule": RULE},
        "campaigns_campaign_live": WRITTEN,
        "campaigns_campaign_live_new": WRITTEN | asked,
    }.get(name)


def _of_campaigns(name: str) -> list[Page]:
    """A page of a campaign in each state: many show nothing but in one of them."""
    found = []
    for state in STATES:
        campaign = Campaign.objects.filter(state=state).order_by("pk").first()
        if campaign:
            address = reverse(f"admin:{name}", args=[campaign.pk])
            found.append(Page(f"{name} ({state})", address, _posted(name)))
    return found


def _newest(name: str) -> models.Model | None:
    """The object that a route of a model is shown with: its newest, of a contact the oldest."""
    for model in admin.site._registry:
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_"):
            key = "pk" if model is Contact else "-pk"
            found: models.Model | None = model._default_manager.order_by(key).first()
            return found
    if name.startswith("contacts_subjectrequest_"):
        return apps.get_model("contacts.SubjectRequest")._default_manager.order_by("-pk").first()
    return None


def _lists() -> Iterator[Page]:
    """Each list by every value of every filter, one at a time, and its further pages."""
    for model, desk in admin.site._registry.items():
        meta = model._meta
        list_page = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        name = f"{meta.app_label}_{meta.model_name}"
        for values in _filters(model, desk):
            yield Page(f"{name} where {urlencode(values)}", f"{list_page}?{urlencode(values)}")
        for part, key in _keys(model):
            yield Page(f"{name} {part}", f"{list_page}?older_than={key}")
            yield Page(f"{name} back from {part}", f"{list_page}?newer_than={key}")


def _keys(model: type[models.Model]) -> Iterator[tuple[str, int]]:
    """Keys at which a second page, one in the middle and one near the end begin, where keys are numbers."""
    if not isinstance(model._meta.pk, models.IntegerField):
        return
    # Not by counting: the table may be large, and its keys are dense.
    first, last = (
        model._default_manager.order_by(order).values_list("pk", flat=True).first()
        for order in ("pk", "-pk")
    )
    if first is not None and last is not None:
        yield "page 2", last - 50
        yield "in the middle", (first + last) // 2
        yield "near its end", first + 60


def _filters(model: type[models.Model], desk: Any) -> Iterator[dict[str, str]]:
    for entry in desk.list_filter:
        if isinstance(entry, type) and issubclass(entry, SimpleListFilter):
            request = RequestFactory().get("/")
            request.user = User.objects.filter(is_superuser=True).first() or User()
            values = entry(request, {}, model, desk).lookup_choices
            yield from ({str(entry.parameter_name): str(value)} for value, _words in values)
            continue
        name, kind = entry if isinstance(entry, tuple) else (entry, None)
        field = model._meta.get_field(name)
        if kind is not None and "Range" in kind.__name__:
            yield {f"{name}_from_0": "2026-01-01", f"{name}_from_1": "00:00"}
        elif kind is not None and "Text" in kind.__name__:
            yield {f"{name}__icontains": "1"}
            yield {f"{name}__icontains": "nothing"}
        elif isinstance(field, models.ForeignKey | models.ManyToManyField):
            for related in field.related_model._default_manager.order_by("pk")[:3]:
                yield {f"{name}__id__exact": str(related.pk)}
        elif isinstance(field, models.BooleanField):
            yield {f"{name}__exact": "1"}
        else:
            yield from ({f"{name}__exact": str(value)} for value, _words in field.flatchoices)


def _searches() -> Iterator[Page]:
    """Each box in which something is looked for: something that is there, and something that is not."""
    person = Contact.objects.order_by("pk").first()
    terms = ["e", "no such thing at all", *([str(person.subject)] if person else [])]
    for model, desk in admin.site._registry.items():
        meta = model._meta
        if desk.search_fields or model is Contact:
            list_page = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
            for term in terms:
                query = urlencode({"q": term})
                yield Page(f"{meta.app_label}_{meta.model_name} ? {term}", f"{list_page}?{query}")
        for field in desk.autocomplete_fields:
            asked = {
                "app_label": meta.app_label, "model_name": meta.model_name, "field_name": field,
                "term": "e",
            }  # fmt: skip
            address = f"{reverse('admin:autocomplete')}?{urlencode(asked)}"
            yield Page(f"{meta.app_label}_{meta.model_name} chooses {field}", address)
    for term in terms:
        yield Page(f"search ? {term}", f"{reverse('admin:search')}?{urlencode({'s': term})}")


def _special() -> Iterator[Page]:
    """Pages that show more when they are asked for more."""
    person = Contact.objects.order_by("pk").first()
    for name, asked in (
        ("contacts_contact_change", {"as_of": "2026-01-01T00:00"}),
        ("consent_permission_unmailable", {"topic": make.topic().key, "channel": "email"}),
        ("consent_renewalround_add", {"topic": str(make.topic().pk), "channel": "email"}),
        ("campaigns_image_choices", {"q": "e"}),
        ("campaigns_image_choices", {"q": "no such image"}),
    ):
        arguments = [person.pk] if person and name.endswith("change") else []
        address = reverse(f"admin:{name}", args=arguments)
        yield Page(f"{name} ? {urlencode(asked)}", f"{address}?{urlencode(asked)}")
    if person:
        yield Page(
            "contacts_contact_find ? pseudonym",
            reverse("admin:contacts_contact_find"),
            {"person": "zzzzzz"},
        )
    for state in STATES:
        campaign = Campaign.objects.filter(state=state).order_by("pk").first()
        if campaign is None:
            continue
        audience = reverse("admin:campaigns_campaign_audience", args=[campaign.pk])
        for reason in ("", "suppressed", "never_asked", "revoked"):
            name = f"people of {state} because {reason or 'they may'}"
            yield Page(name, f"{audience}?{urlencode({'reason': reason})}")
        if person:
            one = reverse("admin:campaigns_campaign_person", args=[campaign.pk])
            yield Page(f"one person of {state}", one, {"person": str(person.subject)})
            preview = reverse("admin:campaigns_campaign_preview", args=[campaign.pk])
            yield Page(f"preview of {state} as one", f"{preview}?person={person.subject}")
            deliveries = reverse("admin:campaigns_delivery_changelist")
            for outcome in ("pending", "sent", "withheld", "failed", "unknown", "bounced"):
                query = urlencode({"campaign__id__exact": campaign.pk, "state__exact": outcome})
                yield Page(f"deliveries of {state}: {outcome}", f"{deliveries}?{query}")


def is_closed(name: str, status: int) -> bool:
    """Whether a route of Django's own says by its answer that nothing is added or removed there."""
    return name.rpartition("_")[2] in GENERIC and status in {302, 403}


def furnish() -> None:
    """One of everything that staff make and that grows with no audience, where there is none yet."""
    ada = Contact.objects.earliest("pk")
    topic = make.topic()
    make.wording(topic)
    make.field("city")
    Tag.objects.create(name="fair")
    StaticList.objects.create(name="Fair").contacts.add(ada)
    Wording.objects.create(
        topic=topic, channel="sms", language="en", version=9, text="Yes, by text"
    )
    make.topic("draft-news", status=Topic.Status.DRAFT)
    Image.objects.create(
        digest="a" * 64, alt="A shelf", extension="jpg", width=600, height=400, size=1, widths=[300]
    )
    few = {"condition": "language", "operator": "is", "value": "fr"}
    french = Segment.objects.create(name="French", rule=few)
    exports.ask(segment=french, reason="An audit", staff_id=None)
    rights.receive(contact=ada, kind="access")
    rights.place_hold(contact=ada, reason="A claim in court", placer_id=None)
    Processor.objects.create(
        name="Post", service="Mail", receives="Names", contact="x@post.example"
    )
    renewing.start(topic=topic, channel="email", days_before=30, started_by_id=None)
    sealing.seal()
    verifications.ask(staff_id=None)


def exhibit() -> User:
    """Something of everything, a campaign in each state among it; a superuser to see it."""
    make.organization()
    topic = make.topic()
    people = [make.contact() for _ in range(3)]
    for person in people:
        make.granted(person, topic)
    ada = people[0]
    staff = make.staff()
    Segment.objects.create(name="English")
    for state in STATES:
        campaign = make.campaign(topic, name=f"Letter {state}")
        if state != "draft":
            campaign.send_at = SENT
        if state in {"sending", "paused", "sent"}:
            campaign.started_at = SENT
            audience.freeze(campaign, lanes=1)
        campaign.state = state
        campaign.save()
    Delivery.objects.filter(campaign__state="paused", contact=ada).update(
        state="unknown", reason="stopped_working", attempt=1, settled_at=SENT
    )
    furnish()
    IdentityView.objects.create(contact=ada, staff=staff, reason="She asked by phone")
    ServiceMail.objects.create(contact=ada, purpose="receipt", language="en")
    Suppression.objects.create(channel="email", fingerprint=b"f" * 32, cause="listed")
    batch = ImportBatch.objects.create(name="fair.csv", file_digest="b" * 64, state="finished")
    RefusedRow.objects.create(batch=batch, line=2, row={"email": "x"}, reason="No address")
    AuditEntry.objects.create(action="added", staff=staff, object_type="contacts.segment")
    ApiToken.objects.create(
        owner=staff, purpose="Shop", beginning="abcdefgh", digest=b"d" * 32, bound_to="x",
        scopes=["contacts.view_contact"], expires_at="2099-01-01T00:00Z",
    )  # fmt: skip
    Authenticator.objects.create(user=staff, type="totp", data={"secret": "x"})
    return staff


def asks_to_count(answer: Any) -> Iterator[tuple[str, str]]:
    """What a page says nobody counted yet: kind and about."""
    figure = (getattr(answer, "context_data", None) or {}).get("figure")
    if figure is not None and not figure.is_counted:
        yield figure.kind, figure.about
