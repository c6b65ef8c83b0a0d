"""The pages for people outside. Links in messages end in a slash, so that no POST is ever redirected."""

from django.urls import path

from consent.views import (
    confirmation,
    inbound,
    my_data,
    preferences,
    renewal,
    short,
    sign_up,
    stop,
)

app_name = "consent"
urlpatterns = [
    path("", sign_up.sign_up, name="home"),
    path("join/", sign_up.sign_up, name="sign_up"),
    path("join/embed/", sign_up.embed, name="embed"),
    path("confirm/<str:token>/", confirmation.confirm, name="confirm"),
    path("renew/<str:token>/", renewal.renew, name="renew"),
    path("u/<str:token>/", stop.stop, name="stop"),
    path("undo/<str:token>/", stop.undo, name="undo"),
    path("preferences/", preferences.ask_for_link, name="ask_for_link"),
    path("preferences/<str:token>/", preferences.preferences, name="preferences"),
    path("preferences/<str:token>/data/", my_data.page, name="my_data"),
    path("preferences/<str:token>/data/erase/", my_data.erase, name="erase"),
    path("preferences/<str:token>/data.json", my_data.download, name="my_data_download"),
    path("address/<str:token>/", preferences.new_address, name="new_address"),
    # A link in a text message: programs on phones drop a slash at its end, or add one.
    path("s/<str:code>", short.follow, name="short_link"),
    path("s/<str:code>/", short.follow, name="short_link_with_slash"),
    path("sms/inbound/", inbound.receive, name="inbound_text"),
    path("m/<str:token>/", preferences.ask_by_stop_link, name="ask_by_stop_link"),
]
