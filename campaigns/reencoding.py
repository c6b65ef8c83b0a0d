"""Turns an upload into files that mail programs show: nothing of the original file is kept.

Only pixels survive: no EXIF (place, camera, thumbnail), no comment, no color profile, no trailing bytes.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from django.utils.translation import gettext as _
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

MOST_BYTES = 10 * 1024 * 1024
# Held at once while an image is read, so that no upload takes more than some 300 MB. The decoder of WebP
# keeps four copies; of a JPEG as cameras write it, a part is enough, but all of a progressive one is held.
MOST_PIXELS = 50_000_000
MOST_DECODED = {"JPEG": 24_000_000, "PNG": 24_000_000, "GIF": 24_000_000, "WEBP": 12_000_000}
READ = ("JPEG", "PNG", "GIF", "WEBP")
# Shown widths in CSS pixels: the whole column of the layouts, half of it, a quarter.
WIDTHS = (600, 300, 150)
DENSITY = 2
# Twice the pixels that are kept, whichever way the image is held, so that scaling loses nothing.
ENOUGH = 2 * DENSITY * WIDTHS[0]
QUALITY = 82
# What Pillow's decoders raise on files that are cut short or broken.
_BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error,
)  # fmt: skip


class ImageError(Exception):
    """This image cannot be kept."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _(self.__doc__ or ""))


class NotAnImage(ImageError):
    """This is no image that can be read: take a JPEG, PNG, GIF or WebP file."""


class TooManyBytes(ImageError):
    """The file is larger than 10 MB: make the image smaller first."""


class TooManyPixels(ImageError):
    """The image has too many pixels: make it smaller first, 4000 × 3000 are plenty."""  # noqa: RUF002


class MovingImage(ImageError):
    """An animated image would lose its movement: take a still one."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What is kept: one file per shown width, and the SHA-256 over them, widest first."""

    digest: str
    extension: str
    width: int
    height: int
    files: dict[int, bytes]


def encode(upload: IO[bytes], *, size: int) -> Encoded:
    """Decode and encode again; raises `ImageError`. `size` is the upload's, in bytes."""
    if size > MOST_BYTES:
        raise TooManyBytes
    picture = _pixels(upload)
    widths = shown_widths(picture.width)
    pictures = {width: _scaled(picture, DENSITY * width) for width in widths}
    widest = pictures[widths[0]]
    extension = _extension(widest)
    files = {width: _file(scaled, extension) for width, scaled in pictures.items()}
    digest = hashlib.sha256(b"".join(files.values())).hexdigest()
    return Encoded(digest, extension, widest.width, widest.height, files)


def shown_widths(pixels: int) -> list[int]:
    """The widths at which an image of so many pixels can be shown, widest first."""
    return sorted({min(width, pixels) for width in WIDTHS}, reverse=True)


def _pixels(upload: IO[bytes]) -> Image.Image:
    """The picture upright, in sRGB, as RGB or RGBA, and nothing besides."""
    try:
        with Image.open(upload, formats=READ) as opened:
            _reduce_by_header(opened)
            # Not `n_frames`, which reads every frame of a file to count them.
            if getattr(opened, "is_animated", False):
                raise MovingImage
            return _plain(ImageOps.exif_transpose(_small_enough(opened)))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels from error
    except UnidentifiedImageError as error:
        raise NotAnImage from error
    except _BROKEN as error:
        raise NotAnImage from error


def _reduce_by_header(opened: ImageFile) -> None:
    """Refuse what is too large before any of it is decoded, and ask for no more than is needed."""
    has = opened.width * opened.height
    opened.draft(None, (ENOUGH, ENOUGH))
    is_held_whole = "progressive" in opened.info
    decoded = has if is_held_whole else opened.width * opened.height
    if has > MOST_PIXELS or decoded > MOST_DECODED[opened.format or "WEBP"]:
        raise TooManyPixels


def _small_enough(opened: ImageFile) -> Image.Image:
    """Decoded, and at once no larger than what is kept needs: every copy of 24 million pixels is 96 MB."""
    opened.load()
    factor = min(opened.size) // ENOUGH
    if factor > 1 and opened.mode in {"RGB", "RGBA", "L"}:
        return opened.reduce(factor)
    return opened


def _plain(picture: Image.Image) -> Image.Image:
    has_alpha = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in {"RGB", "RGBA", "CMYK", "L"}:
        picture = _in_srgb(picture, profile)
    picture = picture.convert("RGBA" if has_alpha else "RGB")
    if has_alpha and picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
    picture.info.clear()
    return picture


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Colors as they were meant, for viewers that know no profile; unreadable profiles are left out."""
    mode = picture.mode if picture.mode in {"RGB", "RGBA"} else "RGB"
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, target, outputMode=mode) or picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture


def _extension(picture: Image.Image) -> str:
    """PNG for what is transparent, and for logos and drawings: lossless is as small there, and sharper."""
    if picture.mode == "RGBA" or len(_file(picture, "png")) <= 1.2 * len(_file(picture, "jpg")):
        return "png"
    return "jpg"


def _scaled(picture: Image.Image, width: int) -> Image.Image:
    if picture.width <= width:
        return picture
    height = max(1, round(picture.height * width / picture.width))
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _file(picture: Image.Image, extension: str) -> bytes:
    buffer = BytesIO()
    if extension == "png":
        picture.save(buffer, "PNG", compress_level=9)
    else:
        picture.save(buffer, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return buffer.getvalue()
