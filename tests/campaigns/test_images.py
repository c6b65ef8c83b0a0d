"""Images of messages: what is taken, what is left of it, where it is served, and when it may go."""

import random
import struct
import time
import zlib
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from PIL import Image as Pillow
from PIL import ImageCms

from campaigns import images, reencoding
from campaigns.models import Image
from tests import make
from tests.campaigns.letters import LINKS, compiled

pytestmark = pytest.mark.django_db
ALT = "Three books on a table"
PLACE = b"48.8584"


@pytest.fixture(autouse=True)
def storage(settings, tmp_path):
    """Files in a folder of the test."""
    settings.STORAGES = settings.STORAGES | {
        "images": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    }
    return tmp_path


def photo(width=1800, height=900, kind="JPEG", **options):
    """Many colors without order, as a camera takes them."""
    small = Pillow.frombytes("RGB", (90, 45), random.Random(7).randbytes(90 * 45 * 3))
    return encoded(small.resize((width, height), Pillow.Resampling.BICUBIC), kind, **options)


def encoded(made, kind="PNG", **options):
    buffer = BytesIO()
    made.save(buffer, kind, **options)
    return buffer.getvalue()


def keep(content, alt=ALT):
    return images.keep(upload=BytesIO(content), size=len(content), alt=alt, staff_id=None)


def opened(image, width):
    with images.storage().open(images.name_of(image.digest, width, image.extension)) as file:
        return Pillow.open(BytesIO(file.read()))


def test_it_keeps_widths_for_mail_with_twice_the_pixels():
    image = keep(photo())
    assert image.widths == [600, 300, 150]
    assert (image.width, image.height, image.extension) == (1200, 600, "jpg")
    assert [opened(image, width).size for width in image.widths] == [
        (1200, 600),
        (600, 300),
        (300, 150),
    ]


def test_it_never_makes_an_image_wider_than_it_is():
    image = keep(photo(200, 100))
    assert image.widths == [200, 150]
    assert opened(image, 200).size == (200, 100)


def test_it_keeps_transparency_and_few_colors_without_loss():
    glass = Pillow.new("RGBA", (300, 200), (10, 20, 30, 100))
    assert opened(keep(encoded(glass)), 300).getpixel((0, 0)) == (10, 20, 30, 100)
    logo = Pillow.new("RGB", (300, 200), (200, 0, 0))
    image = keep(encoded(logo))
    assert image.extension == "png"
    assert opened(image, 300).mode == "RGB"
    assert keep(encoded(logo.quantize(8), "GIF")) == image


def test_it_names_an_image_by_what_it_became_and_keeps_it_once():
    content = photo()
    image = keep(content)
    assert keep(content, alt="Other words") == image
    assert Image.objects.get().alt == ALT


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_it_removes_place_camera_comment_and_profile(kind):
    exif = Pillow.Exif()
    exif[0x010F] = "Secret camera"
    exif.get_ifd(0x8825)[27] = PLACE
    options = {"exif": exif.tobytes()}
    if kind == "JPEG":
        options["comment"] = b"Secret comment"
    options["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = photo(kind=kind, **options) + b"Secret tail"
    assert PLACE in content
    image = keep(content)
    for width in image.widths:
        left = opened(image, width)
        with images.storage().open(images.name_of(image.digest, width, image.extension)) as file:
            kept = file.read()
        assert not left.getexif()
        assert not {"exif", "icc_profile", "comment"} & set(left.info)
        assert PLACE not in kept
        assert b"Secret" not in kept


def test_it_turns_an_image_upright_before_it_forgets_how_it_was_held():
    exif = Pillow.Exif()
    exif[0x0112] = 6
    image = keep(photo(400, 200, exif=exif.tobytes()))
    assert (image.width, image.height) == (200, 400)


@pytest.mark.parametrize(("kind", "width"), [("JPEG", 5000), ("PNG", 5000), ("WEBP", 2500)])
def test_it_keeps_a_large_image_upright_and_in_its_colors(kind, width):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    height = width * 24 // 25
    large = Pillow.new("RGB", (width, height), (200, 0, 0))
    large.paste((0, 0, 200), (0, 0, width // 2, height))
    image = keep(encoded(large, kind, exif=exif.tobytes()))
    assert (image.width, image.height) == (1200, 1250)
    top = opened(image, 600).convert("RGB").getpixel((600, 100))
    assert top[2] > 190
    assert top[0] < 20


def test_it_counts_no_frames_of_an_image_that_moves():
    began = time.process_time()
    with pytest.raises(reencoding.MovingImage):
        keep(moving()[:-1] + 300_000 * FRAME + b";")
    assert time.process_time() - began < 1


def bomb(width, height):
    """A PNG that claims to be huge and holds next to nothing."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def moving():
    frames = [Pillow.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 120, 240)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


# One more frame of one pixel.
FRAME = bytes.fromhex("2c 00000000 0100 0100 00 02 02 4401 00")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (SVG, reencoding.NotAnImage),
        (b"<html><script>x</script>", reencoding.NotAnImage),
        (b"", reencoding.NotAnImage),
        (b"\x89PNG\r\n\x1a\n", reencoding.NotAnImage),
        (photo()[:5000], reencoding.NotAnImage),
        (encoded(Pillow.new("RGB", (9, 9)), "BMP"), reencoding.NotAnImage),
        (encoded(Pillow.new("RGB", (9, 9)), "TIFF"), reencoding.NotAnImage),
        (encoded(Pillow.new("RGB", (9, 9)), "PDF"), reencoding.NotAnImage),
        (bomb(7000, 7000), reencoding.TooManyPixels),
        (bomb(12_000, 10_000), reencoding.TooManyPixels),
        (bomb(60_000, 60_000), reencoding.TooManyPixels),
        (b"\x89PNG" + bytes(reencoding.MOST_BYTES), reencoding.TooManyBytes),
        (moving(), reencoding.MovingImage),
    ],
    ids=[
        "svg", "html", "empty", "beginning only", "cut short", "bmp", "tiff", "pdf",
        "49 megapixels", "120 megapixels", "3600 megapixels", "10 MB", "animated",
    ],
)  # fmt: skip
def test_it_refuses_with_a_sentence(content, refusal, storage):
    with pytest.raises(refusal) as caught:
        keep(content)
    assert str(caught.value).endswith((".", "file.", "first."))
    assert not Image.objects.exists()
    assert not list(storage.rglob("*.*"))


@pytest.mark.parametrize(
    ("kind", "size", "options"),
    [
        ("WEBP", (4100, 3000), {}),
        ("JPEG", (6100, 4000), {"progressive": True}),
        ("JPEG", (25_000, 1000), {}),
    ],
)
def test_it_refuses_by_its_header_what_would_take_much_memory(kind, size, options):
    with pytest.raises(reencoding.TooManyPixels):
        keep(encoded(Pillow.new("L", size), kind, **options))


@pytest.mark.parametrize(
    ("kind", "size"), [("WEBP", (4000, 3000)), ("PNG", (6000, 4000)), ("JPEG", (8064, 6048))]
)
def test_it_takes_the_largest_that_cameras_and_phones_make(kind, size):
    assert keep(encoded(Pillow.new("L", size), kind)).width == 1200


@pytest.mark.parametrize("alt", ["", "   "])
def test_it_refuses_an_image_that_says_nothing(alt):
    with pytest.raises(images.NoAlternativeText):
        keep(photo(), alt=alt)


def test_it_serves_an_image_to_everybody_for_ever_without_a_cookie(client):
    image = keep(photo())
    client.force_login(make.staff())
    client.get(reverse("admin:index"))
    answer = client.get(image.path(300))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert not answer.cookies
    assert "Cookie" not in answer.get("Vary", "")
    assert Pillow.open(BytesIO(answer.content)).size == (600, 300)


def test_it_answers_briefly_when_the_reader_has_it_already(client):
    image = keep(photo())
    tag = client.get(image.path(300))["ETag"]
    assert client.get(image.path(300), headers={"if-none-match": tag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        f"/i/{'0' * 64}/600.jpg",
        "/i/..%2f..%2fkeys.env/600.jpg",
        f"/i/{'0' * 64}/600.svg",
        f"/i/{'0' * 64}/../../keys.env",
        "/i/",
    ],
)
def test_it_serves_nothing_else(client, path):
    assert client.get(path).status_code == 404


def test_it_takes_no_writing_at_the_address_of_an_image(client):
    assert client.post(keep(photo()).path(300)).status_code == 405


def test_it_names_nobody_and_stays_the_same_in_a_message(settings):
    image = keep(photo())
    body = f"![Books]({image.url(300)})"
    assert image.url(300) == f"{settings.PUBLIC_URL}/i/{image.digest}/300.jpg"
    shown = {compiled(body).render({"first_name": name, **LINKS}).html for name in ("Ada", "Bo")}
    assert len(shown) == 1
    [html] = shown
    assert f'src="{image.url(300)}"' in html
    # Outlook knows no max-width: without the attribute it would show all 600 pixels.
    assert 'width="300"' in html
    assert 'alt="Books"' in html


def test_it_gives_no_width_to_images_from_elsewhere():
    html = compiled("![Books](https://cdn.example/i/300.jpg)").render(LINKS).html
    assert 'width="300"' not in html


# On the desk


def upload(content, name="books.jpg"):
    return SimpleUploadedFile(name, content, content_type="image/jpeg")


def test_it_uploads_on_the_desk_and_in_the_composer(client):
    client.force_login(make.staff())
    page = client.post(reverse("admin:campaigns_image_add"), {"file": upload(photo()), "alt": ALT})
    image = Image.objects.get()
    assert page["Location"] == reverse("admin:campaigns_image_change", args=[image.pk])
    answer = client.post(
        reverse("admin:campaigns_image_upload"), {"file": upload(photo(500, 500)), "alt": "A cat"}
    ).json()
    assert answer["alt"] == "A cat"
    assert [width for width, _url in answer["widths"]] == [500, 300, 150]
    found = client.get(reverse("admin:campaigns_image_choices")).json()["images"]
    assert [each["alt"] for each in found] == ["A cat", ALT]
    found = client.get(reverse("admin:campaigns_image_choices"), {"q": "cat"}).json()["images"]
    assert [each["alt"] for each in found] == ["A cat"]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"file": upload(SVG, "x.svg"), "alt": ALT}, "no image that can be read"),
        ({"file": upload(photo(50, 50)), "alt": " "}, "required"),
        ({"alt": ALT}, "required"),
    ],
    ids=["svg", "no words", "no file"],
)
def test_it_says_on_the_desk_why_it_keeps_nothing(client, form, words):
    client.force_login(make.staff())
    for form_file in filter(None, [form.get("file")]):
        form_file.seek(0)
    page = client.post(reverse("admin:campaigns_image_add"), form)
    assert words in page.content.decode()
    for form_file in filter(None, [form.get("file")]):
        form_file.seek(0)
    answer = client.post(reverse("admin:campaigns_image_upload"), form)
    assert words in answer.json()["problem"]
    assert not Image.objects.exists()


def test_it_refuses_images_to_those_who_may_not(client):
    image = keep(photo())
    client.force_login(make.staff("clerk", superuser=False))
    for name in ("add", "upload"):
        page = reverse(f"admin:campaigns_image_{name}")
        assert client.post(page, {"file": upload(photo()), "alt": ALT}).status_code == 403
    assert client.get(reverse("admin:campaigns_image_choices")).status_code == 403
    delete = reverse("admin:campaigns_image_delete", args=[image.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_it_shows_where_an_image_is_used_and_deletes_it_only_when_it_is_not(client, storage):
    image = keep(photo())
    campaign = make.campaign(make.topic(), name="Spring letter")
    campaign.contents.update(body=f"![Books]({image.url(600)})")
    client.force_login(make.staff())
    page = reverse("admin:campaigns_image_change", args=[image.pk])
    assert "Spring letter" in client.get(page).content.decode()
    delete = reverse("admin:campaigns_image_delete", args=[image.pk])
    answer = client.post(delete, {"post": "yes"}, follow=True)
    assert "take it out there first" in answer.content.decode()
    with pytest.raises(images.StillUsed) as caught:
        images.delete(image=image)
    assert "Spring letter" in str(caught.value)
    assert len(list(storage.rglob("*.jpg"))) == 3
    campaign.contents.update(body="None.")
    assert "No campaign" in client.get(page).content.decode()
    assert client.post(delete, {"post": "yes"}).status_code == 302
    assert not Image.objects.exists()
    assert not list(storage.rglob("*.jpg"))
    assert client.get(image.path(600)).status_code == 404


def test_it_is_kept_again_after_it_was_deleted():
    content = photo()
    images.delete(image=keep(content))
    assert opened(keep(content), 600).size == (1200, 600)


def test_it_changes_the_words_of_an_image_but_not_to_none(client):
    image = keep(photo())
    client.force_login(make.staff())
    page = reverse("admin:campaigns_image_change", args=[image.pk])
    assert client.post(page, {"alt": ""}).status_code == 200
    client.post(page, {"alt": "Four books"})
    image.refresh_from_db()
    assert image.alt == "Four books"


def test_it_lists_images_without_growing_queries(client, django_assert_max_num_queries):
    client.force_login(make.staff())
    for size in range(50, 60):
        keep(photo(size, size))
    with django_assert_max_num_queries(8):
        client.get(reverse("admin:campaigns_image_changelist"))


def test_it_loads_into_previews_no_image_but_our_own(client, settings):
    campaign = make.campaign(make.topic())
    client.force_login(make.staff())
    for name in ("change", "preview"):
        page = client.get(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk]))
        policy = page["Content-Security-Policy"]
        assert f"img-src 'self' data: {settings.PUBLIC_URL}" in policy
        assert " https:;" not in policy + ";"
