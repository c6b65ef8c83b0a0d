"""All addresses, and the mailbox's, which stand only where development runs."""

from django.urls import include, path

from config.urls import urlpatterns as known

urlpatterns = [path("mailbox/", include("config.mailbox.urls")), *known]
