"""Pictures of every kind become a small square, or are refused with a reason."""

from __future__ import annotations

import io
import random
import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageOps, PngImagePlugin

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from embedded.detection.child import peak_memory
from labeller.imaging.image import Fit, Frame, LoadedImage, load
from tests.support.images.photos import photo

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
SIDE = 64


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    return encode(image, "JPEG", quality=95, subsampling=0, **options)


def png(image: Image.Image, **options: Any) -> bytes:
    return encode(image, "PNG", **options)


def opened(content: bytes, *, side: int = SIDE, max_pixels: int = 50_000_000) -> LoadedImage:
    return load(io.BytesIO(content), frame=Frame(side, side), max_pixels=max_pixels)


def refusal(content: bytes, *, max_pixels: int = 50_000_000) -> PictureRefused:
    with pytest.raises(PictureRefused) as refused:
        load(io.BytesIO(content), frame=Frame(SIDE, SIDE), max_pixels=max_pixels)
    return refused.value


def mean(loaded: LoadedImage) -> list[int]:
    return [round(float(value)) for value in loaded.pixels.mean((0, 1))]


def quarters() -> Image.Image:
    """Red and green above blue and white, lying: 80 by 40."""
    image = Image.new("RGB", (80, 40), RED)
    image.paste(GREEN, (40, 0, 80, 20))
    image.paste(BLUE, (0, 20, 40, 40))
    image.paste(WHITE, (40, 20, 80, 40))
    return image


def corners(loaded: LoadedImage) -> list[tuple[int, ...]]:
    rows = loaded.pixels[4], loaded.pixels[-5]
    return [tuple(int(v > 127) * 255 for v in row[at]) for row in rows for at in (4, -5)]


@pytest.mark.parametrize("encoded", [jpeg(quarters()), png(quarters())])
def test_a_picture_becomes_a_square(encoded: bytes) -> None:
    """RGB, uint8, and the full picture's size beside it."""
    loaded = opened(encoded)
    assert loaded.pixels.shape == (SIDE, SIDE, 3)
    assert loaded.pixels.dtype == np.uint8
    assert (loaded.width, loaded.height) == (80, 40)
    assert corners(loaded) == [RED, GREEN, BLUE, WHITE]


def test_the_middle_is_taken() -> None:
    """Seven eighths of the short side: the frame around it is not seen."""
    image = Image.new("RGB", (1000, 400), RED)
    image.paste(BLUE, (500 - 175 - 10, 25 - 10, 500 + 175 + 10, 375 + 10))
    assert np.ptp(opened(png(image)).pixels, axis=(0, 1)).tolist() == [0, 0, 0]
    assert mean(opened(png(image))) == list(BLUE)


def test_a_large_jpeg_shows_what_a_small_one_does() -> None:
    """The reduced-size decode changes hardly a pixel, and not the reported size."""
    image = Image.open(io.BytesIO(photo("rocket.jpg"))).resize((2400, 1600))
    del image.info["icc_profile"]
    reduced, full = opened(jpeg(image)), opened(png(image))
    assert (reduced.width, reduced.height) == (2400, 1600)
    assert np.abs(reduced.pixels.astype(int) - full.pixels).mean() < 2


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, [RED, GREEN, BLUE, WHITE]),
        (2, [GREEN, RED, WHITE, BLUE]),
        (3, [WHITE, BLUE, GREEN, RED]),
        (4, [BLUE, WHITE, RED, GREEN]),
        (5, [RED, BLUE, GREEN, WHITE]),
        (6, [BLUE, RED, WHITE, GREEN]),
        (7, [WHITE, GREEN, BLUE, RED]),
        (8, [GREEN, WHITE, RED, BLUE]),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_turns_the_picture(
    kind: str, orientation: int, expected: list[tuple[int, ...]]
) -> None:
    """Size and pixels are as a viewer displays them."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = opened(encode(quarters(), kind, exif=exif))
    assert (loaded.width, loaded.height) == ((40, 80) if orientation >= 5 else (80, 40))
    assert corners(loaded) == expected


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_orientation_is_found_in_either_byte_order(kind: str, order: str) -> None:
    """And anything unreadable is upright."""
    head = {"<": b"II*\x00", ">": b"MM\x00*"}[order]
    entries = struct.pack(f"{order}HHHIIHHIHHI", 2, 0x010F, 4, 1, 7, 0x0112, 3, 1, 6, 0, 0)
    tiff = head + struct.pack(f"{order}I", 8) + entries

    def width(exif: bytes) -> int:
        return opened(encode(quarters(), kind, exif=b"Exif\x00\x00" + exif)).width

    assert width(tiff) == 40
    assert width(tiff.replace(struct.pack(f"{order}HH", 6, 0), b"\x09\x09\x00\x00")) == 80
    assert {width(tiff[:end]) for end in range(14, 28)} == {80}
    assert width(head + struct.pack(f"{order}I", 2**32 - 1)) == 80
    assert width(b"nonsense") == 80


def test_exif_behind_the_pixels_of_a_png_counts() -> None:
    """ExifTool and others write it there."""
    plain, turned = png(quarters()), png(quarters(), exif=turned_exif(6))
    exif = turned[turned.index(b"eXIf") - 4 :][: 12 + turned_length(turned)]
    assert opened(plain[:-12] + exif + plain[-12:]).width == 40
    assert opened(plain[:-12] + exif[:-1] + b"?" + plain[-12:]).width == 80


def turned_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def turned_length(content: bytes) -> int:
    return int.from_bytes(content[content.index(b"eXIf") - 4 :][:4], "big")


def test_unreadable_exif_does_no_harm() -> None:
    """A camera's odd metadata neither rejects a photograph nor causes a warning."""
    loaded = opened(jpeg(quarters(), exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01"))
    assert corners(loaded) == [RED, GREEN, BLUE, WHITE]


def test_a_text_named_exif_is_not_exif() -> None:
    """Texts of a PNG and its EXIF share one place in Pillow."""
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("exif", "Orientation: 6")
    assert opened(png(quarters(), pnginfo=texts)).width == 80


def see_through(mode: str) -> Image.Image:
    """Black with alpha of a half."""
    return Image.new("RGBA", (50, 50), (0, 0, 0, 128)).convert(mode)


def test_transparency_is_laid_on_white() -> None:
    """Whatever colour hides under a transparent pixel."""
    assert mean(opened(png(Image.new("RGBA", (50, 50), (255, 0, 0, 0))))) == [255, 255, 255]
    assert mean(opened(png(see_through("RGBA")))) == [127, 127, 127]
    assert mean(opened(png(see_through("LA")))) == [127, 127, 127]


@pytest.mark.parametrize(
    ("mode", "transparency"), [("RGB", (9, 9, 9)), ("L", 9), ("1", 0), ("P", 9), ("P", bytes(10))]
)
def test_a_transparent_colour_is_laid_on_white(mode: str, transparency: Any) -> None:
    """A PNG may name one colour, or palette entries, as transparent."""
    colour = {"RGB": (9, 9, 9), "1": 0}.get(mode, 9)
    image = Image.new(mode, (50, 50), colour)
    if mode == "P":
        image.putpalette(bytes(range(256)) * 3)
    assert mean(opened(png(image, transparency=transparency))) == [255, 255, 255]


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (png(Image.new("L", (50, 50), 90)), [90, 90, 90]),
        (jpeg(Image.new("L", (50, 50), 90)), [90, 90, 90]),
        (png(Image.new("1", (50, 50), 1)), [255, 255, 255]),
        (png(Image.new("RGB", (50, 50), (10, 90, 200)).quantize(4)), [10, 90, 200]),
        (jpeg(Image.new("CMYK", (50, 50), (255, 255, 0, 0))), [0, 0, 255]),
        (jpeg(Image.new("CMYK", (50, 50), (0, 0, 0, 255))), [0, 0, 0]),
    ],
)
def test_other_kinds_of_colour(encoded: bytes, expected: list[int]) -> None:
    """Grey, black and white, a palette, a printer's four inks."""
    assert mean(opened(encoded)) == pytest.approx(expected, abs=2)


def test_16_bits_are_scaled() -> None:
    """Half of 65535 is a medium grey, not white."""
    image = Image.fromarray(np.full((50, 50), 0x8000, np.uint16))
    assert mean(opened(png(image))) == [128, 128, 128]


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (3, 2), (65_000, 2)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "I;16"])
def test_pictures_of_any_shape(size: tuple[int, int], mode: str) -> None:
    """A single pixel and a strip are pictures too."""
    loaded = opened(png(Image.new(mode, size)))
    assert (loaded.width, loaded.height) == size
    assert loaded.pixels.shape == (SIDE, SIDE, 3)
    if mode in ("RGB", "L"):
        assert opened(jpeg(Image.new(mode, size))).width == size[0]


def test_an_animation_shows_its_first_frame() -> None:
    """And the default picture, if that is not part of the animation."""
    frames = [Image.new("RGB", (50, 50), colour) for colour in (RED, GREEN, BLUE)]
    animated = png(frames[0], save_all=True, append_images=frames[1:])
    assert mean(opened(animated)) == list(RED)
    apart = png(frames[0], save_all=True, append_images=frames[1:], default_image=True)
    assert mean(opened(apart)) == list(RED)


def test_a_second_picture_inside_a_jpeg_is_passed_over() -> None:
    """Phones store depth or another exposure behind the photograph."""
    content = encode(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))])
    assert (opened(content).width, opened(content).height) == (80, 40)


def test_the_type_is_told_by_the_bytes() -> None:
    """Whatever was declared is not even asked for."""
    assert opened(jpeg(quarters())).kind is ImageType.JPEG
    assert opened(png(quarters())).kind is ImageType.PNG


@pytest.mark.parametrize(
    ("content", "seems"),
    [
        (encode(quarters(), "PDF"), "a PDF document"),
        (encode(quarters(), "ICO"), "an icon"),
        (
            b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1vvic",
            "a HEIF picture of another kind than HEIC",
        ),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom", "a video"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"<!doctype html>", "text with markup"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"8BPS\x00\x01", "a Photoshop file"),
        (b"\xff\xd8", "of an unknown format"),
        (b"hello", "of an unknown format"),
        (b"", "empty"),
    ],
)
def test_other_formats_are_named_and_refused(content: bytes, seems: str) -> None:
    """The message says what it seems to be and what is accepted."""
    refused = refusal(content)
    assert refused.code == FailureCode.UNSUPPORTED_FORMAT
    assert refused.message == (
        f"The file seems to be {seems}. Save it as JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or HEIC."
    )


@pytest.mark.parametrize(
    "encoded",
    [jpeg(quarters()), png(quarters())],
)
def test_too_many_pixels_are_refused(encoded: bytes) -> None:
    """As many as the limit are fine, one more is not."""
    assert opened(encoded, max_pixels=3200)
    refused = refusal(encoded, max_pixels=3199)
    assert refused.code == FailureCode.TOO_MANY_PIXELS
    assert refused.message == (
        "The picture has 80 x 40 pixels, 3,200 in all; at most 3,199 are accepted."
    )


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png_with(*extra: bytes, width: int = 1, height: int = 1) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    content = chunk(b"IDAT", zlib.compress(b"\x00\x80"))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + content + chunk(b"IEND", b"")


def test_a_pixel_bomb_is_refused_before_it_is_decoded() -> None:
    """Only the header is read, and Pillow's own limit is not heard of."""
    for side in (10_000, 20_000, 2**31 - 1):
        bomb = png_with(width=side, height=side)
        assert refusal(bomb).code == FailureCode.TOO_MANY_PIXELS
    huge = refusal(png_with(width=20_000, height=20_000), max_pixels=10**9)
    assert huge.code == FailureCode.CORRUPT_IMAGE  # it has the pixels of one


def test_text_bombs_do_no_harm() -> None:
    """A little compressed text must not become many megabytes, before the pixels or after."""
    assert opened(png_with()).width == 1
    text = chunk(b"zTXt", b"a\x00\x00" + zlib.compress(bytes(200_000_000)))
    late = png_with()[:-12] + text + chunk(b"IEND", b"")
    packed = zlib.compress(bytes(900_000))
    many = [chunk(b"zTXt", b"%d\x00\x00" % number + packed) for number in range(900)]
    before = peak_memory()
    for bomb in (png_with(text), late, png_with(*many)):
        assert len(bomb) < 1_000_000
        assert opened(bomb).width == 1
    assert peak_memory() < before + 100_000_000


def test_a_scan_bomb_is_refused() -> None:
    """A JPEG of few pixels' bytes but very many passes over them."""
    progressive = jpeg(quarters(), progressive=True)
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    refused = refusal(progressive[:-2] + last * 5000 + b"\xff\xd9")
    assert refused.code == FailureCode.CORRUPT_IMAGE


def test_scans_beside_the_picture_do_not_count() -> None:
    """Neither a thumbnail's, nor those of a video behind the end."""
    thumbnail = jpeg(quarters(), exif=b"Exif\x00\x00" + b"\xff\xda\xff\xd9" * 100)
    assert opened(thumbnail + b"\xff\xda" * 100).width == 80


def samples() -> list[bytes]:
    """Small pictures of every kind, which decode in no time."""
    small = Image.open(io.BytesIO(photo("chelsea.png"))).resize((48, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Chelsea", zip=True)
    sixteen = Image.fromarray(np.asarray(small.convert("L")).astype(np.uint16) << 8)
    return [
        jpeg(small, exif=exif),
        jpeg(small, progressive=True),
        jpeg(small.convert("CMYK")),
        encode(small, "MPO", save_all=True, append_images=[small]),
        png(small, pnginfo=texts, exif=exif),
        png(small.convert("RGBA")),
        png(small.quantize(16), transparency=3),
        png(sixteen),
        png(small, save_all=True, append_images=[small.rotate(90)]),
    ]


def test_damage_is_refused_or_overlooked() -> None:
    """Five hundred damaged pictures: each gives a square or a refusal, never another error."""
    chance = random.Random(7)  # noqa: S311
    pictures = samples()
    outcomes = {"square": 0, "refused": 0}
    for number in range(500):
        content = bytearray(pictures[number % len(pictures)])
        if number % 2:
            del content[chance.randrange(16, len(content)) :]
        else:
            for _ in range(chance.randint(1, 8)):
                content[chance.randrange(12, len(content))] ^= 1 << chance.randrange(8)
        try:
            loaded = opened(bytes(content), max_pixels=1_000_000)
        except PictureRefused:
            outcomes["refused"] += 1
        else:
            assert loaded.pixels.shape == (SIDE, SIDE, 3)
            outcomes["square"] += 1
    assert min(outcomes.values()) > 50


@pytest.mark.parametrize("content", samples())
def test_half_a_picture_is_refused(content: bytes) -> None:
    """An upload that was cut short gets no labels."""
    # An animation's second frame is not needed.
    refused = refusal(content[: len(content) // 4])
    assert refused.code == FailureCode.CORRUPT_IMAGE
    assert re.match("The picture is (damaged or incomplete. |broken off: )", refused.message)


class FailingStream(io.BytesIO):
    """Reads some bytes, then fails."""

    def __init__(self, content: bytes, error: Exception, after: int) -> None:
        super().__init__(content)
        self.left = after
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return super().read(size)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(5, "Input/output error"), Unavailable),
        (TimeoutError(110, "timed out"), Unavailable),
        (ObjectNotFound("originals/a/b"), ObjectNotFound),
    ],
)
def test_trouble_with_the_stream_is_not_the_pictures_fault(
    error: Exception, expected: type[Exception]
) -> None:
    """The error is retried, and the picture is not reported as damaged."""
    stream = FailingStream(photo("chelsea.png"), error, 0)
    with pytest.raises(expected):
        load(stream, frame=Frame(SIDE, SIDE), max_pixels=10**9)
    assert stream.left < 0


def test_an_error_of_the_program_is_not_the_pictures_fault() -> None:
    """It is raised as it is, so that it is logged and tried again."""
    stream = FailingStream(photo("chelsea.png"), ValueError("of a bug"), 0)
    with pytest.raises(ValueError, match="of a bug"):
        load(stream, frame=Frame(SIDE, SIDE), max_pixels=10**9)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_a_refusal_keeps_the_decoders_words_for_the_log(kind: str) -> None:
    """Not for the client."""
    content = encode(quarters(), kind)
    refused = refusal(content[: len(content) // 3])
    assert refused.code == FailureCode.CORRUPT_IMAGE
    assert refused.detail
    assert refused.detail not in refused.message


def test_a_picture_that_takes_too_much_memory_is_refused() -> None:
    """A process that decodes is given so much; another try would take as much again."""
    stream = FailingStream(photo("chelsea.png"), MemoryError(), 0)
    with pytest.raises(PictureRefused, match="more memory") as refused:
        load(stream, frame=Frame(SIDE, SIDE), max_pixels=10**9)
    assert refused.value.code == FailureCode.TOO_MANY_PIXELS


def test_the_stream_stays_open_and_may_be_anywhere() -> None:
    """It is read from its start; the caller closes it."""
    stream = io.BytesIO(jpeg(quarters()))
    stream.seek(0, io.SEEK_END)
    assert load(stream, frame=Frame(SIDE, SIDE), max_pixels=10**9).width == 80
    assert not stream.closed


@pytest.mark.parametrize(
    "filling",
    [
        b"\xff\xe1\x00\x08Exif\x00\x00" * 1_000_000,
        b"\xff\xe0\x00\x02" * 3_000_000,
        b"\xff" * 12_000_000,
    ],
    ids=["EXIF", "empty segments", "padding"],
)
def test_a_jpeg_of_nothing_but_notes_is_read(filling: bytes) -> None:
    """Each costs a step, and no memory."""
    content = jpeg(quarters())
    assert opened(content[:2] + filling + content[2:]).width == 80


def test_a_jpeg_with_many_notes_is_taken() -> None:
    """As cameras write them."""
    content = jpeg(quarters())
    notes = b"\xff\xe2\xff\xffMPF" + bytes(65_530)
    assert opened(content[:2] + notes * 100 + content[2:]).width == 80


# Frames of any shape.


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("size", [(48, 24), (24, 48), (32, 32)])
def test_frames_are_those_of_the_upright_picture(
    size: tuple[int, int], fit: Fit, kind: str, orientation: int
) -> None:
    """Whatever the camera's turn, and whichever way the frame lies; as Pillow itself does it."""
    upright = Image.open(io.BytesIO(photo("chelsea.png"))).convert("RGB").resize((320, 200))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright.transpose(TURNS[orientation]) if orientation > 1 else upright
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    content = encode(stored, kind, exif=exif, **options)
    loaded = load(io.BytesIO(content), frame=Frame(*size, fit, 1.0), max_pixels=10**6)
    assert (loaded.width, loaded.height) == (320, 200)
    bicubic = Image.Resampling.BICUBIC
    expected = {
        Fit.CROP: lambda: ImageOps.fit(upright, size, bicubic),
        Fit.STRETCH: lambda: upright.resize(size, bicubic),
        Fit.PAD: lambda: ImageOps.pad(upright, size, bicubic),
    }[fit]()
    difference = loaded.pixels.astype(int) - np.asarray(expected)
    assert loaded.pixels.shape == (size[1], size[0], 3)
    assert np.abs(difference).mean() < 2


# What a camera does to a picture that EXIF's orientation undoes.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 2)])
@pytest.mark.parametrize("fit", Fit)
def test_frames_hold_pictures_of_any_shape(size: tuple[int, int], fit: Fit) -> None:
    """Strips and single pixels too."""
    loaded = load(
        io.BytesIO(png(Image.new("RGB", size, GREEN))),
        frame=Frame(40, 20, fit),
        max_pixels=10**6,
    )
    assert loaded.pixels.shape == (20, 40, 3)
    assert loaded.pixels[9:11, 19:21].max(axis=(0, 1)).tolist() == list(GREEN)


def test_a_large_photograph_is_not_decoded_whole_for_a_small_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A JPEG of twelve megapixels becomes smaller as it is decoded, for a frame of any shape."""
    content = jpeg(Image.new("RGB", (4000, 3000), GREEN))
    shrinks = []
    load_source = pyvips.Image.jpegload_source
    monkeypatch.setattr(
        pyvips.Image,
        "jpegload_source",
        lambda *given, **options: (
            shrinks.append(options.get("shrink")) or load_source(*given, **options)
        ),
    )
    load(io.BytesIO(content), frame=Frame(256, 128), max_pixels=10**8)
    assert shrinks == [None, 4]


def test_the_whole_image_is_made_small_once_and_only_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its size fits the number of pixels, and it is upright, whatever the frame shows."""
    resizes = []
    resize = pyvips.Image.resize
    monkeypatch.setattr(
        pyvips.Image,
        "resize",
        lambda *given, **options: resizes.append(given[1:]) or resize(*given, **options),
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    content = jpeg(Image.new("RGB", (400, 100), GREEN), exif=exif)
    loaded = load(io.BytesIO(content), frame=Frame(8, 8), max_pixels=10**6, whole=100)
    assert len(resizes) == 1
    assert loaded.whole is not None
    assert loaded.whole.shape == (20, 5, 3)
    assert loaded.whole is loaded.whole
    assert len(resizes) == 2
