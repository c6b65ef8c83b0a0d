"""Campaigns and deliveries over the API: drafts are written, everything else is a move or a question."""

from collections.abc import Callable, Container
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.http import Http404
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import exceptions, mixins, permissions, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import audience, quiet, results, services, versions
from campaigns.models import Campaign, CampaignContent, Delivery, Sender
from campaigns.models.deliveries import DeliveryQuerySet
from consent.models import Topic
from contacts.models import Channel, Contact, Segment

WRITTEN = versions.COMPOSED + versions.PACED
_TAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="The campaign as it is answered here, to be sent back as If-Match by whoever changes it.",
)
_IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag with which the campaign was read: saved meanwhile, nothing is changed (412). "
    "Without it, what somebody else saved meanwhile is overwritten.",
)


_IF_SEEN = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag with which the campaign was read: saved meanwhile, nothing is done (412).",
)


class Overtaken(exceptions.APIException):
    """RFC 9110 §13.1.1: the campaign is not the one that If-Match names."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "overtaken"
    default_detail = _lazy(
        "Somebody saved this campaign after you read it. Nothing was changed: read it again."
    )


def tag_of(campaign_id: int) -> str:
    """The strong validator of a campaign, as it stands in ETag and If-Match."""
    return f'"{versions.digest(campaign_id, written=WRITTEN)}"'


def _refuse_overtaken(request: Request, campaign: Campaign) -> None:
    """Raises `Overtaken`; a tag that a proxy made weak on its way still names the same campaign."""
    given = request.headers.get("If-Match", "").strip()
    tags = {tag.removeprefix("W/") for tag in parse_etags(given)}
    if given and not tags & {"*", tag_of(campaign.pk)}:
        raise Overtaken


class MaySend(permissions.BasePermission):
    """Every move of what goes out, and settling what is unknown, is a permission of its own."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.has_perm("campaigns.send_campaign"))


class MayChange(permissions.BasePermission):
    """Whoever may write it may ask for its approval."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.has_perm("campaigns.change_campaign"))


class MayApprove(permissions.BasePermission):
    """The second pair of eyes has a permission of its own."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.has_perm("campaigns.approve_campaign"))


class LanguageField(serializers.ChoiceField):
    """One of the configured languages; the refusal names them."""

    def to_internal_value(self, data: Any) -> str:
        if str(data) not in self.choices and str(data) not in self._kept():
            known = ", ".join(self.choices)
            raise serializers.ValidationError(_("Choose one of these languages: %s.") % known)
        return str(data)

    def _kept(self) -> Container[str]:
        """Languages in which the campaign holds words already: they stay, whatever is configured by now."""
        campaign = getattr(self.root, "instance", None)
        if not isinstance(campaign, Campaign):
            return ()
        return set(campaign.contents.values_list("language", flat=True))


class ContentSerializer(serializers.ModelSerializer[CampaignContent]):
    """What a campaign says in one of the languages that this house writes in (`LANGUAGES`)."""

    language = LanguageField(choices=settings.LANGUAGES)

    class Meta:
        model = CampaignContent
        fields: ClassVar = ["language", "subject", "preheader", "body", "markup", "layout"]


class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    """A campaign with its content per language; only a draft can be changed."""

    topic = serializers.SlugRelatedField(slug_field="key", queryset=Topic.objects.all())
    sender = serializers.SlugRelatedField(slug_field="name", queryset=Sender.objects.all())
    segments = serializers.SlugRelatedField(
        slug_field="name", many=True, required=False, queryset=Segment.objects.all()
    )
    excluded_segments = serializers.SlugRelatedField(
        slug_field="name", many=True, required=False, queryset=Segment.objects.all()
    )
    contents = ContentSerializer(many=True)
    state_reason = serializers.CharField(read_only=True)
    tag = ""

    class Meta:
        model = Campaign
        fields: ClassVar = [
            "id", "name", "topic", "channel", "sender", "segments", "excluded_segments", "contents",
            "timezone", "is_local_time", "quiet_from", "quiet_until", "per_minute", "is_measured",
            "state", "state_reason", "send_at", "latest_start_at", "created_at", "started_at",
            "finished_at", "asked_at", "approved_at", "approved_digest",
        ]  # fmt: skip
        read_only_fields: ClassVar = [
            "state", "state_reason", "send_at", "latest_start_at", "created_at", "started_at",
            "finished_at", "asked_at", "approved_at", "approved_digest",
        ]  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        names = ("channel", "is_measured", "quiet_from", "quiet_until")
        will = {name: getattr(self.instance, name, None) for name in names} | attrs
        if will["is_measured"] and will["channel"] == Channel.SMS:
            raise serializers.ValidationError({"is_measured": _("Text messages are not measured.")})
        if (will["quiet_from"] is None) != (will["quiet_until"] is None):
            words = _("Quiet hours have a beginning and an end.")
            raise serializers.ValidationError({"quiet_until": words})
        return attrs

    def validate_timezone(self, name: str) -> str:
        if quiet.zone(name) is None:
            raise serializers.ValidationError(_("There is no time zone “%s”.") % name)
        return name

    def validate_contents(self, contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        languages = [content["language"] for content in contents]
        if len(set(languages)) != len(languages):
            raise serializers.ValidationError(_("Each language has one content."))
        return contents

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> Campaign:
        contents = validated_data.pop("contents")
        campaign: Campaign = super().create(
            validated_data | {"author": self.context["request"].user}
        )
        _write(campaign, contents)
        return campaign

    @transaction.atomic
    def update(self, instance: Campaign, validated_data: dict[str, Any]) -> Campaign:
        instance = Campaign.objects.select_for_update().get(pk=instance.pk)
        if instance.state != Campaign.State.DRAFT:
            raise services.NotADraft
        _refuse_overtaken(self.context["request"], instance)
        contents = validated_data.pop("contents", None)
        campaign: Campaign = super().update(instance, validated_data)
        campaign.editors.add(self.context["request"].user)
        if contents is not None:
            campaign.contents.all().delete()
            _write(campaign, contents)
        # While others are held off: what is answered is what this tag names.
        self.tag = tag_of(campaign.pk)
        return campaign


def _write(campaign: Campaign, contents: list[dict[str, Any]]) -> None:
    CampaignContent.objects.bulk_create(
        CampaignContent(campaign=campaign, **content) for content in contents
    )


class ScheduleSerializer(serializers.Serializer[None]):
    send_at = serializers.DateTimeField(help_text="Without an offset it is UTC.")
    latest_start_at = serializers.DateTimeField(required=False, allow_null=True)


class PaceSerializer(serializers.Serializer[None]):
    per_minute = serializers.IntegerField(
        min_value=1,
        max_value=1_000_000,
        allow_null=True,
        help_text="At most, besides what the sender may; null: as fast as the sender may.",
    )


class SettleSerializer(serializers.Serializer[None]):
    """Either chosen deliveries or, said in so many words, all of them."""

    what = serializers.ChoiceField(
        choices=["resend", "leave"],
        help_text="resend: try again, through the gate; somebody may get it twice. leave: never try again.",
    )
    deliveries = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        allow_empty=False,
        max_length=500,
    )
    all = serializers.BooleanField(
        required=False, default=False, help_text="All that are unknown and were not left."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["all"] == ("deliveries" in attrs):
            raise serializers.ValidationError(_("Give some deliveries, or “all”."))
        return attrs


class SettledSerializer(serializers.Serializer[None]):
    settled = serializers.IntegerField(help_text="How many of them were unknown, and settled now.")


class ReasonCountSerializer(serializers.Serializer[None]):
    reason = serializers.CharField(help_text="Empty: will receive it.")
    contacts = serializers.IntegerField()


class LinkSerializer(serializers.Serializer[results.Link]):
    url = serializers.CharField()
    people = serializers.IntegerField()


class ResultSerializer(serializers.Serializer[results.Measured]):
    received = serializers.IntegerField()
    measured = serializers.IntegerField(
        help_text="Of those received, how many permit measurement; the other figures are of these."
    )
    opened = serializers.IntegerField(
        help_text="Unreliable: mail programs load pictures themselves."
    )
    clicked = serializers.IntegerField()
    links = LinkSerializer(many=True)
    counted_at = serializers.DateTimeField(allow_null=True)


_MOVE: dict[str, Any] = {"responses": CampaignSerializer, "parameters": [_IF_SEEN, _TAG]}


class CampaignViewSet(
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[Campaign],
):
    """Campaigns: written as drafts, then scheduled; they start by themselves when due."""

    serializer_class = CampaignSerializer
    queryset = Campaign.objects.select_related("topic", "sender").prefetch_related(
        "segments", "excluded_segments", "contents"
    )
    http_method_names = ["get", "head", "options", "post", "patch"]

    @extend_schema(parameters=[_TAG])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        # Before the campaign is read: what is saved in between counts as not seen.
        tag = tag_of(self.get_object().pk)
        answer: Response = super().retrieve(request, *args, **kwargs)
        answer["ETag"] = tag
        return answer

    @extend_schema(parameters=[_TAG])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().create(request, *args, **kwargs)
        answer["ETag"] = tag_of(answer.data["id"])
        return answer

    @extend_schema(parameters=[_IF_MATCH, _TAG])
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a draft: read it, change it, and send the ETag of what you read as If-Match.

        412: somebody saved it after you read it. 409: it is no draft any more. Nothing is changed then.
        """
        found = self.get_object()
        written = CampaignSerializer(
            found, data=request.data, partial=True, context=self.get_serializer_context()
        )
        written.is_valid(raise_exception=True)
        written.save()
        campaign = self.get_queryset().get(pk=found.pk)
        return Response(self.get_serializer(campaign).data, headers={"ETag": written.tag})

    @extend_schema(responses=ReasonCountSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def audience(self, request: Request, pk: str) -> Response:
        """How many would get it now, and how many not, by reason."""
        campaign = self.get_object()
        if unreadable := audience.unreadable(campaign):
            raise services.NotReady(" ".join(map(str, unreadable)))
        counts = audience.preview_audience(campaign)
        return Response([{"reason": reason, "contacts": count} for reason, count in counts])

    @extend_schema(responses=ResultSerializer)
    @action(detail=True, pagination_class=None)
    def result(self, request: Request, pk: str) -> Response:
        """What was opened and clicked by the recipients who permit that it is counted; 404 where none is."""
        found = results.of(self.get_object())
        if found is None:
            raise Http404
        return Response(ResultSerializer(found).data)

    @extend_schema(request=ScheduleSerializer, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def schedule(self, request: Request, pk: str) -> Response:
        """Let a draft start by itself at `send_at`; a moment in the past starts it at once."""
        moment = ScheduleSerializer(data=request.data)
        moment.is_valid(raise_exception=True)
        return self._moved(
            services.schedule_campaign, actor_id=request.user.pk, **moment.validated_data
        )

    @extend_schema(request=None, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def unschedule(self, request: Request, pk: str) -> Response:
        """Make it a draft again, as long as it has not started."""
        return self._moved(services.unschedule_campaign)

    @extend_schema(request=None, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MayChange])
    def ask(self, request: Request, pk: str) -> Response:
        """Ask for the approval of what it says and to whom, as it is now."""
        return self._moved(services.ask_approval, actor_id=request.user.pk)

    @extend_schema(request=None, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MayApprove])
    def approve(self, request: Request, pk: str) -> Response:
        """The second pair of eyes, once somebody else asked: send the ETag of what was read as If-Match."""
        return self._moved(services.approve_campaign, actor_id=request.user.pk)

    @extend_schema(request=None, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def pause(self, request: Request, pk: str) -> Response:
        """Stop what is sending, within a few messages."""
        return self._moved(services.pause_campaign)

    @extend_schema(request=None, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def resume(self, request: Request, pk: str) -> Response:
        """Go on where it was paused; each permission is looked at again."""
        return self._moved(services.resume_campaign)

    @extend_schema(request=None, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def release(self, request: Request, pk: str) -> Response:
        """Somebody looked at what was held (`state_reason` says why): it goes, however late it is.

        409: it is not held, or it says by now what nobody approved.
        """
        return self._moved(services.release_held)

    @extend_schema(request=PaceSerializer, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def pace(self, request: Request, pk: str) -> Response:
        """How fast it goes at most, also while it is under way, which keeps to it within a minute."""
        pace = PaceSerializer(data=request.data)
        pace.is_valid(raise_exception=True)
        return self._moved(services.set_pace, **pace.validated_data)

    @extend_schema(request=SettleSerializer, responses=SettledSerializer)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def settle(self, request: Request, pk: str) -> Response:
        """Decide about deliveries of which nobody knows whether they arrived (`deliveries/?state=unknown`).

        Those of other campaigns, and those that are not unknown any more, are left alone.
        """
        asked = SettleSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        is_resent = asked.validated_data["what"] == "resend"
        act = services.resend_unknown if is_resent else services.leave_unknown
        chosen = asked.validated_data.get("deliveries")
        settled = act(campaign=self.get_object(), delivery_ids=chosen)
        return Response({"settled": settled})

    @extend_schema(request=None, **_MOVE)
    @action(detail=True, methods=["post"], permission_classes=[MaySend])
    def cancel(self, request: Request, pk: str) -> Response:
        """End it for good; what was not handed over yet is never sent."""
        return self._moved(services.cancel_campaign)

    @transaction.atomic
    def _moved(self, service: Callable[..., None], **given: Any) -> Response:
        """One move of the campaign that If-Match names, while others are held off."""
        campaign = self.get_object()
        Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
        _refuse_overtaken(self.request, campaign)
        service(campaign=campaign, **given)
        return self._shown(campaign)

    def _shown(self, campaign: Campaign) -> Response:
        tag = tag_of(campaign.pk)
        shown = self.get_queryset().get(pk=campaign.pk)
        return Response(self.get_serializer(shown).data, headers={"ETag": tag})


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    contact: serializers.SlugRelatedField[Contact] = serializers.SlugRelatedField(
        slug_field="subject", read_only=True
    )

    class Meta:
        model = Delivery
        fields: ClassVar = [
            "id", "campaign", "contact", "state", "reason", "event", "attempt", "handed_over_at",
            "settled_at", "provider_id",
        ]  # fmt: skip


class DeliveryQuery(serializers.Serializer[None]):
    """Which deliveries to list."""

    campaign = serializers.IntegerField(required=False)
    contact = serializers.UUIDField(source="contact__subject", required=False)
    state = serializers.ChoiceField(choices=Delivery.State.choices, required=False)


class DeliveryViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Delivery]
):
    """Who got what, by which consent event; and who did not, for which reason."""

    serializer_class = DeliverySerializer
    queryset = Delivery.objects.select_related("contact")

    def get_queryset(self) -> DeliveryQuerySet:
        deliveries = super().get_queryset()
        assert isinstance(deliveries, DeliveryQuerySet)
        if self.detail:
            return deliveries
        query = DeliveryQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        asked = dict(query.validated_data)
        if "campaign" in asked:
            deliveries = deliveries.of(asked.pop("campaign"))
        if "state" in asked:
            deliveries = deliveries.in_state(asked.pop("state"))
        return deliveries.filter(**asked)

    @extend_schema(parameters=[DeliveryQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)
