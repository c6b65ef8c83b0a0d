from django.urls import path

from config.mailbox import views

app_name = "mailbox"

urlpatterns = [
    path("", views.index, name="index"),
    path("<str:name>/", views.letter, name="letter"),
    path("<str:name>/source", views.source, name="source"),
    path("<str:name>/reply/", views.reply, name="reply"),
]
