"""Pictures of every format and kind, made again for each run."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, PngImagePlugin

from core.domain.blob import ImageType

pillow_heif.register_heif_opener()  # to write them

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# What Pillow calls each type.
FORMATS = {
    ImageType.JPEG: "JPEG",
    ImageType.PNG: "PNG",
    ImageType.WEBP: "WEBP",
    ImageType.GIF: "GIF",
    ImageType.TIFF: "TIFF",
    ImageType.BMP: "BMP",
    ImageType.AVIF: "AVIF",
    ImageType.HEIC: "HEIF",
}
# Slower encoders make smaller files, which no test needs.
LOSSLESS: dict[ImageType, dict[str, Any]] = {
    ImageType.JPEG: {"quality": 95, "subsampling": 0},
    ImageType.WEBP: {"lossless": True, "method": 0},
    ImageType.AVIF: {"quality": 95, "subsampling": "4:4:4", "speed": 10},
    ImageType.HEIC: {"quality": 95, "chroma": 444, "enc_params": {"preset": "ultrafast"}},
}


class Made(NamedTuple):
    """A picture, and what is special about it."""

    what: str
    kind: ImageType
    content: bytes


def encode(image: Image.Image, kind: ImageType, **options: Any) -> bytes:
    """Write a picture, as exactly as its type can."""
    out = io.BytesIO()
    image.save(out, FORMATS[kind], **{**LOSSLESS.get(kind, {}), **options})
    return out.getvalue()


def quarters(width: int = 96, height: int = 64) -> Image.Image:
    """Red and green above blue and white, lying."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def turned(orientation: int) -> bytes:
    """EXIF that says how the camera was held."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def display_p3() -> bytes:
    """A profile of another RGB than sRGB: red and green change places."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    table = {bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * profile[131], 12)}
    red, green = table[b"rXYZ"], table[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "Test".encode("utf-16-be"))


def every_picture(image: Image.Image | None = None) -> list[Made]:
    """Return a picture in every format, mode, coding and orientation that is taken."""
    image = (image or quarters()).convert("RGB")
    grey, clear = image.convert("L"), image.convert("RGBA")
    other = image.rotate(180)
    sixteen = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    frames: dict[str, Any] = {"save_all": True, "append_images": [other]}
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Quarters", zip=True)
    made = [Made("plain", kind, encode(image, kind)) for kind in ImageType]
    made += [
        Made(f"orientation {number}", kind, encode(image, kind, exif=turned(number)))
        for kind in (
            *(ImageType.JPEG, ImageType.PNG, ImageType.WEBP),
            *(ImageType.TIFF, ImageType.AVIF, ImageType.HEIC),
        )
        for number in range(2, 9)
    ]
    variants: list[tuple[str, ImageType, Image.Image, dict[str, Any]]] = [
        ("progressive", ImageType.JPEG, image, {"progressive": True}),
        ("grey", ImageType.JPEG, grey, {}),
        ("CMYK", ImageType.JPEG, image.convert("CMYK"), {}),
        ("restarts", ImageType.JPEG, image, {"restart_marker_blocks": 2}),
        ("grey", ImageType.PNG, grey, {}),
        ("black and white", ImageType.PNG, image.convert("1"), {}),
        ("palette", ImageType.PNG, image.quantize(16), {}),
        ("palette, transparent", ImageType.PNG, image.quantize(16), {"transparency": 3}),
        ("alpha", ImageType.PNG, clear, {}),
        ("grey with alpha", ImageType.PNG, clear.convert("LA"), {}),
        ("16 bits", ImageType.PNG, sixteen, {}),
        ("texts", ImageType.PNG, image, {"pnginfo": texts}),
        ("animated", ImageType.PNG, image, frames),
        ("lossy", ImageType.WEBP, image, {"lossless": False, "quality": 90}),
        ("alpha", ImageType.WEBP, clear, {}),
        ("animated", ImageType.WEBP, image, frames),
        ("grey", ImageType.GIF, grey, {}),
        ("interlaced", ImageType.GIF, image, {"interlace": True}),
        ("animated", ImageType.GIF, image.quantize(16), {**frames, "loop": 0}),
        ("transparent", ImageType.GIF, image.quantize(16), {"transparency": 3}),
        ("big", ImageType.TIFF, image, {"big_tiff": True}),
        ("grey", ImageType.TIFF, grey, {}),
        ("16 bits", ImageType.TIFF, sixteen, {}),
        ("CMYK", ImageType.TIFF, image.convert("CMYK"), {}),
        ("LAB", ImageType.TIFF, lab(image), {}),
        ("palette", ImageType.TIFF, image.quantize(16), {}),
        ("alpha", ImageType.TIFF, clear, {}),
        ("fax", ImageType.TIFF, image.convert("1"), {"compression": "group4"}),
        ("pages", ImageType.TIFF, image, frames),
        ("grey", ImageType.BMP, grey, {}),
        ("black and white", ImageType.BMP, image.convert("1"), {}),
        ("palette", ImageType.BMP, image.quantize(16), {}),
        ("32 bits", ImageType.BMP, clear, {}),
        ("alpha", ImageType.AVIF, clear, {}),
        ("subsampled", ImageType.AVIF, image, {"subsampling": "4:2:0"}),
        ("animated", ImageType.AVIF, image, frames),
        ("alpha", ImageType.HEIC, clear, {}),
        ("several", ImageType.HEIC, image, frames),
        ("tiles", ImageType.HEIC, image, {"tile_size": 64}),
    ]
    variants += [
        (f"TIFF {name}", ImageType.TIFF, image, {"compression": name})
        for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd")
    ]
    return [*made, *(Made(w, kind, encode(i, kind, **o)) for w, kind, i, o in variants)]


def lab(image: Image.Image) -> Image.Image:
    """Return a picture in CIELAB."""
    transform = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    done = ImageCms.applyTransform(image, transform)
    assert done
    return done
