"""The door of images: kept re-encoded under their digest, deleted only while no campaign shows them."""

from typing import IO

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db import connection, transaction
from django.utils.translation import gettext as _

from campaigns.models import Campaign, Image
from campaigns.reencoding import ImageError, encode


class NoAlternativeText(ImageError):
    """Say what the image shows, for people who do not see it."""


class StillUsed(ImageError):
    """A campaign shows this image: messages that were sent ask for it again and again."""


def storage() -> Storage:
    """Where the files lie: the storage `images` of the settings."""
    return storages["images"]


def name_of(digest: str, width: int, extension: str) -> str:
    """The name of one file in the storage."""
    return f"{digest}/{width}.{extension}"


def keep(*, upload: IO[bytes], size: int, alt: str, staff_id: int | None) -> Image:
    """Re-encode an upload and keep it; one that is there already is returned as it is.

    Raises `ImageError` with a sentence.
    """
    alt = " ".join(alt.split())[:250]
    if not alt:
        raise NoAlternativeText
    encoded = encode(upload, size=size)
    with transaction.atomic():
        _lock(encoded.digest)
        if known := Image.objects.filter(digest=encoded.digest).first():
            return known
        for width, content in encoded.files.items():
            _write(name_of(encoded.digest, width, encoded.extension), content)
        return Image.objects.create(
            digest=encoded.digest,
            alt=alt,
            extension=encoded.extension,
            width=encoded.width,
            height=encoded.height,
            size=sum(map(len, encoded.files.values())),
            widths=list(encoded.files),
            uploaded_by_id=staff_id,
        )


def used_by(image: Image) -> list[Campaign]:
    """The campaigns that show it in any language and state, newest first."""
    shown = Campaign.objects.filter(contents__body__contains=image.digest)
    return list(shown.distinct().order_by("-pk"))


@transaction.atomic
def delete(*, image: Image) -> None:
    """Delete an image and its files; raises `StillUsed` naming the campaigns that show it."""
    _lock(image.digest)
    if campaigns := used_by(image):
        names = ", ".join(f"“{campaign}”" for campaign in campaigns[:5])
        raise StillUsed(_("It is shown in %s. Take it out there first.") % names)
    digest, widths, extension = image.digest, image.widths, image.extension
    image.delete()
    for width in widths:
        storage().delete(name_of(digest, width, extension))


def _write(name: str, content: bytes) -> None:
    """Over what an interrupted upload may have left under this name."""
    storage().delete(name)
    storage().save(name, ContentFile(content))


def _lock(digest: str) -> None:
    """Until the end of the transaction: an upload and a deletion of the same image take turns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [digest])
