from django.urls import path, register_converter

from campaigns import views, webhooks

app_name = "campaigns"


class Digest:
    """A SHA-256 in hex."""

    regex = "[0-9a-f]{64}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class Extension(Digest):
    """The kinds of file that images become."""

    regex = "jpg|png"


register_converter(Digest, "digest")
register_converter(Extension, "image_extension")

urlpatterns = [
    path("c/<str:token>/", views.view_in_browser, name="view_in_browser"),
    path("k/<str:token>/<int:number>/", views.lead_on, name="lead_on"),
    path("o/<str:token>.gif", views.show_pixel, name="pixel"),
    path("c/sms/<int:delivery_id>/", webhooks.take_text_report, name="text_report"),
    path(
        "i/<digest:digest>/<int:width>.<image_extension:extension>",
        views.show_image,
        name="image",
    ),
]
