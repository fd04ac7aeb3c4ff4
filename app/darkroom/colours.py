"""What becomes of a picture's colours: those of print and of science are brought to what screens show."""

from collections import Counter
from io import BytesIO

from PIL import Image, ImageCms

_SMALL = (48, 48)
_SHADES = 6
_HALF = 128


def for_screens(image: Image.Image) -> Image.Image:
    """As ``L``, ``RGB`` or ``RGBA`` of eight bits. A colour profile stays if it still holds."""
    profile = image.info.get("icc_profile")
    if image.mode in {"CMYK", "LAB", "YCbCr"}:
        return _from_print(image, profile)
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image)
    if image.mode == "1" or (image.mode == "L" and "transparency" not in image.info):
        mode = "L"
    else:
        mode = "RGBA" if _may_see_through(image) else "RGB"
    picture = image if image.mode == mode else image.convert(mode)  # a copy would take as much memory again
    picture.info = {"icc_profile": profile} if profile else {}
    return picture


def _from_print(image: Image.Image, profile: bytes | None) -> Image.Image:
    """By its profile if it has one that can be read; else by the rule of thumb that every viewer uses."""
    if profile and image.mode == "CMYK":
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            picture = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            picture = None
        if picture is not None:
            picture.info = {}
            return picture
    picture = image.convert("RGB")
    picture.info = {}
    return picture


def _eight_bits(image: Image.Image) -> Image.Image:
    """The upper eight of sixteen bits. Pillow would cut off everything brighter than the lower ones."""
    picture = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    picture.info = {}
    return picture


def profile_of(picture: Image.Image) -> bytes | None:
    """Its colour profile, unless that is one of other colours than it has now."""
    profile = picture.info.get("icc_profile")
    space = b"GRAY" if picture.mode in {"1", "L", "LA", "I;16"} else b"RGB "
    return profile if isinstance(profile, bytes) and profile[16:20] == space else None


def see_through(image: Image.Image) -> bool:
    """Whether any pixel of it is. Many files only announce it."""
    if not _may_see_through(image):
        return False
    with_alpha = image if image.mode in {"RGBA", "LA"} else image.convert("RGBA")
    least = with_alpha.getchannel("A").getextrema()[0]
    return isinstance(least, (int, float)) and least < 255  # noqa: PLR2004


def _may_see_through(image: Image.Image) -> bool:
    return image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info


def flattened(image: Image.Image, colour: str) -> Image.Image:
    """On a sheet of ``colour``."""
    if image.mode != "RGBA":
        return image
    sheet = Image.new("RGB", image.size, colour)
    sheet.paste(image, mask=image.getchannel("A"))
    sheet.info = dict(image.info)
    return sheet


def padded(image: Image.Image, size: tuple[int, int], colour: str) -> Image.Image:
    """In the middle of a sheet."""
    sheet = Image.new(image.mode if image.mode != "L" else "RGB", size, colour)
    sheet.paste(image.convert(sheet.mode), ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    sheet.info = dict(image.info)
    return sheet


def dominant(image: Image.Image) -> str:
    """The colour of most of it, as ``#rrggbb``; of what can be seen."""
    small = for_screens(image.resize(_SMALL, Image.Resampling.BOX) if image.mode not in {"P", "1"} else image).resize(_SMALL)
    seen = small.convert("RGBA")
    shades, alphas = seen.convert("RGB").quantize(_SHADES).convert("RGB").tobytes(), seen.getchannel("A").tobytes()
    counted = Counter(shades[3 * at : 3 * at + 3] for at, alpha in enumerate(alphas) if alpha >= _HALF)
    return f"#{counted.most_common(1)[0][0].hex()}" if counted else "#ffffff"
