from django.urls import path

from campaigns import views

app_name = "campaigns"

urlpatterns = [path("<str:token>/", views.view_in_browser, name="view_in_browser")]
