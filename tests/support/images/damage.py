"""Pictures as storage, networks and attackers leave them."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable

from core.domain.blob import ImageType
from tests.support.images.pictures import Made, encode, quarters

MIN = 32  # bytes; nothing less is worth damaging
MIN_CHUNK = 12  # bytes of a PNG's chunk without content
CHUNK_PIECES = 25_000  # more than any picture has


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut a picture off, turn some of its bits, or swap, repeat, drop or blow up a piece of it."""
    damage = chance.choice(DAMAGES)
    return damage(content, chance) if len(content) > MIN else content


def cut_off(content: bytes, chance: random.Random) -> bytes:
    """Lose the end."""
    return content[: chance.randrange(16, len(content))]


def flip_bits(content: bytes, chance: random.Random) -> bytes:
    """Turn up to eight bits, sparing what tells the type."""
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(12, len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def set_number(content: bytes, chance: random.Random) -> bytes:
    """Put a number that is at the edge of something where there may have been another."""
    number = chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**32 - 1))
    size = chance.choice((1, 2, 4))
    order = chance.choice(("<", ">"))
    written = struct.pack(f"{order}I", number)
    written = written[:size] if order == "<" else written[-size:]
    at = chance.randrange(12, max(13, len(content) - size))
    return content[:at] + written + content[at + size :]


def move_piece(content: bytes, chance: random.Random) -> bytes:
    """Drop a piece, or put it elsewhere, once or a few times."""
    begin = chance.randrange(12, len(content))
    end = min(len(content), begin + chance.choice((1, 2, 4, 16, 64, 256)))
    left = content[:begin] + (content[end:] if chance.random() < 0.5 else content[begin:])
    at = chance.randrange(12, len(left) + 1)
    return left[:at] + content[begin:end] * chance.randrange(5) + left[at:]


def with_checksums(png: bytes) -> bytes:
    """Make every chunk's checksum right, so that what is damaged is read rather than refused."""
    mended, at = png[:8], 8
    while len(png) - at >= MIN_CHUNK:
        length = int.from_bytes(png[at : at + 4], "big")
        if length > len(png) - at - MIN_CHUNK:
            break
        mended += png_chunk(png[at + 4 : at + 8], png[at + 8 : at + 8 + length])
        at += length + MIN_CHUNK
    return mended + png[at:]


Damage = Callable[[bytes, random.Random], bytes]
DAMAGES: tuple[Damage, ...] = (cut_off, flip_bits, flip_bits, set_number, move_piece)


def png_chunk(name: bytes, content: bytes = b"") -> bytes:
    """A chunk with its checksum."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def png_of(width: int, height: int, *before: bytes, colour: int = 2, interlaced: int = 0) -> bytes:
    """A PNG that says it has these pixels, all black; it has those of 64 x 64."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, interlaced)
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(64 * (64 * 3 + 1))))
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", png_chunk(b"IHDR", header), *before, pixels, png_chunk(b"IEND"))
    )


def tiff_of(*entries: tuple[int, int, int, int], rest: bytes = b"") -> bytes:
    """A TIFF of one directory: tag, type, count and value or offset of each entry."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(entries)) + packed + rest


def bombs() -> list[Made]:
    """Small files that ask for much: of memory, of time or of patience."""
    gif, bmp = encode(quarters(), ImageType.GIF), encode(quarters(), ImageType.BMP)
    webp = encode(quarters(), ImageType.WEBP, save_all=True, append_images=[quarters().rotate(90)])
    jpeg, avif = encode(quarters(), ImageType.JPEG), encode(quarters(), ImageType.AVIF)
    heic = encode(quarters(), ImageType.HEIC)
    frames = gif.index(b"\x2c", 13)  # quarters has a palette without commas
    frame = webp[webp.index(b"ANMF") :]
    exif = b"\xff\xe1" + struct.pack(">H", 65_535) + b"Exif\x00\x00" + bytes(65_527)
    profile = b"\xff\xe2" + struct.pack(">H", 65_535) + b"ICC_PROFILE\x00\x01\xff" + bytes(65_519)
    plain = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    strip = [(273, 4, 1, 8), (278, 4, 1, 64), (279, 4, 1, 4096)]
    note = png_chunk(b"zTXt", b"a\x00\x00" + zlib.compress(bytes(900_000)))
    tiles = 400_000
    made = {
        "PNG pixels": png_of(2**31 - 1, 2**31 - 1),
        "PNG most pixels": png_of(10_000, 10_000, interlaced=1, colour=6),
        "PNG wide": png_of(100_000_000, 1),
        "PNG tall": png_of(1, 100_000_000),
        "PNG chunks": png_of(64, 64, png_chunk(b"aaAa") * CHUNK_PIECES),
        "PNG texts": png_of(64, 64, note * 80),
        "PNG profile": png_of(
            64, 64, png_chunk(b"iCCP", b"x\x00\x00" + zlib.compress(bytes(50_000_000)))
        ),
        "PNG exif": png_of(64, 64, png_chunk(b"eXIf", b"II*\x00" + bytes(5_000_000))),
        "GIF pixels": gif[:6] + b"\xff\xff\xff\xff" + gif[10:],
        "GIF comments": gif[:frames] + b"\x21\xfe\x01a\x00" * CHUNK_PIECES + gif[frames:],
        "GIF blocks": gif[:frames] + b"\x21\xfe" + b"\x01a" * CHUNK_PIECES + b"\x00" + gif[frames:],
        "GIF frames": gif[:-1] + gif[frames:-1] * 10_000,
        "TIFF loop": tiff_of(*plain, *strip, rest=struct.pack("<I", 8) + bytes(5000)),
        "TIFF entries": tiff_of(
            *plain, *strip, *((30_000 + n, 4, 1, 1) for n in range(9000)), rest=bytes(5000)
        ),
        "TIFF tags": tiff_of(
            *plain,
            *strip,
            *((30_000 + n, 7, 900_000, 8) for n in range(500)),
            rest=bytes(1_000_000),
        ),
        "TIFF tiles": tiff_of(
            *((256, 4, 1, 2000), (257, 4, 1, 2000), *plain[2:], (322, 4, 1, 1), (323, 4, 1, 1)),
            *((324, 4, tiles, 8), (325, 4, tiles, 8)),
            rest=bytes(8 * tiles),
        ),
        "TIFF strip": tiff_of(
            *((256, 4, 1, 10_000), (257, 4, 1, 10_000), (258, 3, 1, 8), (259, 3, 1, 5)),
            *((262, 3, 1, 1), (273, 4, 1, 8), (278, 4, 1, 10_000), (279, 4, 1, 100)),
            rest=bytes(100),
        ),
        "BMP pixels": bmp[:18] + struct.pack("<ii", 30_000, 30_000) + bmp[26:],
        "BMP most pixels": bmp[:18] + struct.pack("<ii", 10_000, 10_000) + bmp[26:],
        "WebP frames": webp[:4] + struct.pack("<I", 2**31) + webp[8:] + frame * 10_000,
        "WebP pixels": webp[:24] + b"\xff\x3f\x00\xff\x3f\x00" + webp[30:],
        "AVIF boxes": avif[:32] + b"\x00\x00\x00\x08free" * 100_000 + avif[32:],
        "AVIF pixels": sized(avif, 30_000, 30_000),
        "AVIF nested": avif[:32] + nested() + avif[32:],
        "HEIC boxes": heic[:24] + b"\x00\x00\x00\x08free" * 100_000 + heic[24:],
        "HEIC pixels": sized(heic, 30_000, 30_000),
        "HEIC nested": heic[:24] + nested() + heic[24:],
        "JPEG exif": jpeg[:2] + exif * 200 + jpeg[2:],
        "JPEG profile": jpeg[:2] + profile * 200 + jpeg[2:],
        "JPEG fill": jpeg[:2] + b"\xff" * 5_000_000 + jpeg[2:],
        "JPEG restarts": jpeg[:-2] + b"\xff\xd0" * 2_000_000 + jpeg[-2:],
        "JPEG scans": jpeg[:-2] + jpeg[jpeg.rindex(b"\xff\xda") : -2] * 5000 + jpeg[-2:],
    }
    return [Made(name, ImageType[name.split()[0].upper()], made[name]) for name in made]


def sized(heif: bytes, width: int, height: int) -> bytes:
    """Change what a HEIF file says of its size."""
    at = heif.index(b"ispe") + 8
    return heif[:at] + struct.pack(">II", width, height) + heif[at + 8 :]


def nested(depth: int = 10_000) -> bytes:
    """Boxes in boxes."""
    return b"".join(struct.pack(">I4s", 8 * (depth - level), b"meta") for level in range(depth))
