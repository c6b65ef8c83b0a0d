"""Topics, permissions and events over the API. What is written goes through the same services as a page."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from consent import gate, ledger, services
from consent.models import ConsentEvent, Method, Permission, Topic, Wording
from contacts.models import Channel, Contact


class TopicSerializer(serializers.ModelSerializer[Topic]):
    class Meta:
        model = Topic
        fields: ClassVar = [
            "key", "use", "status", "public_name", "description", "frequency", "translations",
            "offers_email", "offers_sms", "double_opt_in", "is_public",
        ]  # fmt: skip
        read_only_fields: ClassVar = ["status"]


class TopicViewSet(
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[Topic],
):
    """Permission lists by key. A new topic is a draft until it is published."""

    serializer_class = TopicSerializer
    queryset = Topic.objects.all()
    lookup_field = "key"
    lookup_value_regex = "[-a-zA-Z0-9_]+"
    needs: ClassVar = {"publish": "consent.publish_topic", "retire": "consent.publish_topic"}

    @extend_schema(request=None, responses=TopicSerializer)
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, key: str) -> Response:
        topic = self.get_object()
        services.publish_topic(topic=topic)
        return Response(self.get_serializer(topic).data)

    @extend_schema(request=None, responses=TopicSerializer)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, key: str) -> Response:
        topic = self.get_object()
        services.retire_topic(topic=topic)
        return Response(self.get_serializer(topic).data)


class PermissionSerializer(serializers.ModelSerializer[Permission]):
    contact: serializers.SlugRelatedField[Contact] = serializers.SlugRelatedField(
        slug_field="subject", read_only=True
    )
    topic: serializers.SlugRelatedField[Topic] = serializers.SlugRelatedField(
        slug_field="key", read_only=True
    )

    class Meta:
        model = Permission
        fields: ClassVar = [
            "contact", "topic", "channel", "state", "stopped", "since", "valid_until", "basis", "event",
        ]  # fmt: skip


class EventSerializer(serializers.ModelSerializer[ConsentEvent]):
    topic = serializers.CharField(source="topic_id", allow_null=True)
    wording = serializers.CharField(source="wording_id", allow_null=True)

    class Meta:
        model = ConsentEvent
        fields: ClassVar = [
            "id", "subject", "topic", "channel", "kind", "basis", "method", "occurred_at", "recorded_at",
            "wording", "actor_role", "actor", "undoes",
        ]  # fmt: skip


class ActSerializer(serializers.Serializer[None]):
    """Whose permission, for what."""

    contact = serializers.SlugRelatedField(
        slug_field="subject",
        queryset=Contact.objects.living(),
        help_text="The contact's pseudonym.",
    )
    topic = serializers.SlugRelatedField(slug_field="key", queryset=Topic.objects.published())
    channel = serializers.ChoiceField(choices=Channel.choices)


class GiveSerializer(ActSerializer):
    """A yes that was given elsewhere and can be shown: its source and date are needed."""

    occurred_at = serializers.DateTimeField()
    source = serializers.CharField(max_length=500)  # type: ignore[assignment]
    wording = serializers.SlugRelatedField(
        slug_field="digest", queryset=Wording.objects.published(), required=False
    )


class WithdrawSerializer(ActSerializer):
    """A no that reached staff; without a topic it is an objection to everything on the channel."""

    topic = serializers.SlugRelatedField(
        slug_field="key", queryset=Topic.objects.all(), required=False, allow_null=True
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=500, required=False, allow_blank=True
    )


class WithdrawalSerializer(EventSerializer):
    in_doubt = serializers.BooleanField(
        read_only=True, help_text="A message was under way and could not be called back."
    )

    class Meta(EventSerializer.Meta):
        fields: ClassVar = [*EventSerializer.Meta.fields, "in_doubt"]


class DecisionSerializer(serializers.Serializer[gate.Decision]):
    is_allowed = serializers.BooleanField()
    reason = serializers.CharField()
    state = serializers.CharField()
    event_id = serializers.IntegerField(allow_null=True)


class PermissionQuery(serializers.Serializer[None]):
    """Which permissions to list."""

    contact = serializers.UUIDField(source="contact__subject", required=False)
    topic = serializers.SlugField(source="topic__key", required=False)
    channel = serializers.ChoiceField(choices=Channel.choices, required=False)
    state = serializers.ChoiceField(choices=Permission.State.choices, required=False)


class EventQuery(serializers.Serializer[None]):
    """Which events to list."""

    subject = serializers.UUIDField(required=False)


class PermissionViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Permission]):
    """The permissions that stand, and the acts that change them."""

    serializer_class = PermissionSerializer
    queryset = Permission.objects.select_related("contact", "topic")
    needs: ClassVar = {
        "give": "consent.record_consent",
        "withdraw": "consent.record_withdrawal",
    }

    def get_queryset(self) -> QuerySet[Permission]:
        return (
            super().get_queryset().filter(**_valid(PermissionQuery(data=self.request.query_params)))
        )

    @extend_schema(parameters=[PermissionQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)

    @extend_schema(request=GiveSerializer, responses={201: EventSerializer})
    @action(detail=False, methods=["post"])
    def give(self, request: Request) -> Response:
        """Record a consent given elsewhere. A person who said no is not brought back: 409."""
        act = _valid(GiveSerializer(data=request.data))
        event = services.give_with_evidence(
            **act, method=Method.API, actor=ledger.staff(request.user.pk)
        )
        return Response(EventSerializer(event).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=WithdrawSerializer, responses={201: WithdrawalSerializer})
    @action(detail=False, methods=["post"])
    def withdraw(self, request: Request) -> Response:
        """Record a withdrawal; answered when nothing more is handed over to that person."""
        act = _valid(WithdrawSerializer(data=request.data))
        contact, topic, channel = act["contact"], act.get("topic"), act["channel"]
        details = {"source": act["source"]} if act.get("source") else {}
        actor = ledger.staff(request.user.pk)
        if topic is None:
            event = services.object_to_everything(
                contact=contact, channel=channel, method=Method.API, actor=actor, details=details
            )
        else:
            event = services.withdraw(
                contact=contact, topic=topic, channel=channel, method=Method.API, actor=actor,
                details=details,
            )  # fmt: skip
        settled = services.answer_is_final(contact=contact, topic=topic, channel=channel)
        answer = EventSerializer(event).data | {"in_doubt": not settled}
        return Response(answer, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[ActSerializer], responses=DecisionSerializer)
    @action(detail=False, methods=["get"], pagination_class=None)
    def explain(self, request: Request) -> Response:
        """May this person be written to now on this topic and channel, and if not, why not?"""
        act = _valid(ActSerializer(data=request.query_params))
        return Response(DecisionSerializer(gate.explain(**act)).data)


class EventViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[ConsentEvent]
):
    """The ledger, newest first."""

    serializer_class = EventSerializer
    queryset = ConsentEvent.objects.all()

    def get_queryset(self) -> QuerySet[ConsentEvent]:
        if self.detail:
            return super().get_queryset()
        return super().get_queryset().filter(**_valid(EventQuery(data=self.request.query_params)))

    @extend_schema(parameters=[EventQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().list(request, *args, **kwargs)


def _valid(serializer: serializers.Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
