"""Every address of the product."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("c/", include("campaigns.urls")),
    path("", include("consent.urls")),
]
handler404 = "consent.views.public.not_found"
