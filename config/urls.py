"""Every address of the product. The public pages carry no language in their address."""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from rest_framework.routers import DefaultRouter

from campaigns import webhooks
from campaigns.api import CampaignViewSet, DeliveryViewSet
from config.api.views import DocumentationView, SchemaView, TokenView
from config.health import healthz
from config.metrics import metrics
from consent.api import EventViewSet, PermissionViewSet, TopicViewSet
from contacts.api import ContactViewSet

router = DefaultRouter()
router.register("contacts", ContactViewSet)
router.register("topics", TopicViewSet)
router.register("permissions", PermissionViewSet)
router.register("events", EventViewSet)
router.register("campaigns", CampaignViewSet)
router.register("deliveries", DeliveryViewSet)

api = [
    path("token/", TokenView.as_view(), name="token"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocumentationView.as_view(url_name="api:schema"), name="docs"),
    *router.urls,
]

# Staff sign in at one door only.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("account/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include((api, "api"))),
    path("", include("campaigns.urls")),
    path("feedback/<slug:provider>/", webhooks.take, name="feedback"),
    path("healthz", healthz),
    path("metrics", metrics),
    path("", include("consent.urls")),
]
if settings.DEBUG and settings.ASSENT_MAILBOX:
    urlpatterns.insert(0, path("mailbox/", include("config.mailbox.urls")))

handler404 = "consent.views.public.not_found"
