"""Contacts over the API: pseudonymous, unless the caller may view identities."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from contacts import addresses, fields, services
from contacts.models import Address, Channel, Contact, Tag


class AddressSerializer(serializers.ModelSerializer[Address]):
    class Meta:
        model = Address
        fields: ClassVar = ["channel", "domain", "verified_at", "undeliverable_at", "retired_at"]


class ContactSerializer(serializers.ModelSerializer[Contact]):
    """Names, addresses and values of fields are written freely; only `contacts.view_identity` reads them.

    `attributes` takes registered fields: those given change, null removes one. A token says what it is for.
    Staff who are signed in give their reason on the desk, person by person.
    """

    email = serializers.CharField(required=False, allow_blank=True, max_length=320)
    phone = serializers.CharField(required=False, allow_blank=True, max_length=40)
    first_name = serializers.CharField(required=False, allow_blank=True, max_length=200)
    last_name = serializers.CharField(required=False, allow_blank=True, max_length=200)
    tags = serializers.SlugRelatedField(
        slug_field="name", many=True, required=False, queryset=Tag.objects.all()
    )
    addresses = AddressSerializer(many=True, read_only=True)
    attributes = serializers.DictField(
        child=serializers.JSONField(allow_null=True), required=False, help_text="Key → value."
    )

    class Meta:
        model = Contact
        fields: ClassVar = [
            "id", "subject", "email", "phone", "first_name", "last_name", "language", "timezone",
            "lifecycle", "attributes", "tags", "addresses", "created_at", "last_active_at",
            "restricted_at", "paused_until", "erased_at",
        ]  # fmt: skip
        read_only_fields: ClassVar = [
            "subject", "created_at", "last_active_at", "restricted_at",
            "paused_until", "erased_at",
        ]  # fmt: skip

    def to_representation(self, instance: Contact) -> dict[str, Any]:
        identity = getattr(instance, "identity", None)
        shown = super().to_representation(instance)
        clear = _is_clear(self.context["request"])
        for field in ("email", "phone", "first_name", "last_name"):
            value = getattr(identity, field, "")
            shown[field] = value if clear else _masked(field, value)
        if not clear:  # a birthday, a company and a city name somebody, too
            shown["attributes"] = {}
        return shown

    def validate_attributes(self, given: dict[str, Any]) -> dict[str, Any]:
        try:
            fields.clean_attributes(given)
        except fields.FieldError as error:
            raise serializers.ValidationError(str(error)) from error
        return given

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self.instance is None and not (attrs.get("email") or attrs.get("phone")):
            raise serializers.ValidationError("A contact needs an email address or a phone number.")
        try:
            services.check_profile(attrs)
        except services.ContactError as error:
            raise serializers.ValidationError(str(error)) from error
        return attrs

    def create(self, validated_data: dict[str, Any]) -> Contact:
        tags = validated_data.pop("tags", [])
        contact = services.create_contact(**validated_data)
        contact.tags.set(tags)
        return contact

    def update(self, instance: Contact, validated_data: dict[str, Any]) -> Contact:
        return services.update_contact(contact=instance, **validated_data)


class FindSerializer(serializers.Serializer[None]):
    """One address, of either kind."""

    email = serializers.CharField(required=False, max_length=320)
    phone = serializers.CharField(required=False, max_length=40)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give an email address or a phone number.")
        channel = Channel.EMAIL if "email" in attrs else Channel.SMS
        return {"channel": channel, "address": next(iter(attrs.values()))}


def _is_clear(request: Request) -> bool:
    return request.auth is not None and request.user.has_perm("contacts.view_identity")


def _masked(field: str, value: str) -> str:
    if field == "email":
        return addresses.mask(Channel.EMAIL, value)
    return addresses.mask(Channel.SMS, value) if field == "phone" else ""


class ContactViewSet(
    mixins.CreateModelMixin,
    mixins.RetrieveModelMixin,
    mixins.UpdateModelMixin,
    mixins.ListModelMixin,
    viewsets.GenericViewSet[Contact],
):
    """Contacts by pseudonym. `find/` finds one by its address (with `view_identity`)."""

    serializer_class = ContactSerializer
    queryset = Contact.objects.select_related("identity").prefetch_related("addresses", "tags")
    lookup_field = "subject"
    http_method_names = ["get", "head", "options", "post", "patch"]
    needs: ClassVar = {"find": "contacts.view_identity"}

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        # Left aside, as unknown parameters are, these would get a list of everybody.
        if {"email", "phone"} & request.query_params.keys():
            raise serializers.ValidationError("An address is posted to contacts/find/.")
        return super().list(request, *args, **kwargs)

    @extend_schema(request=FindSerializer, responses=ContactSerializer)
    @action(detail=False, methods=["post"], pagination_class=None)
    def find(self, request: Request) -> Response:
        """The contact at an address; 404 where there is none.

        Posted, because the address of a request is kept in logs. It changes nothing.
        """
        asked = FindSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = services.find_contact(**asked.validated_data)
        contact = self.get_queryset().filter(pk=found.pk).first() if found else None
        if contact is None:
            raise NotFound
        return Response(self.get_serializer(contact).data)
