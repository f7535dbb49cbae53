"""The gallery declares the type of a picture by its first bytes."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pillow_heif
from PIL import Image

from core.domain.blob import ImageType
from labeller.imaging import header
from labeller.imaging.header import PREFIX_BYTES, type_of
from tests.support.browser import drive, require_browser
from tests.support.images.photos import photo
from tests.support.node import require_node

SIGNATURE = Path(__file__).parents[2] / "web" / "gallery" / "src" / "text" / "signature.js"
PROGRAM = f"""
import {{ typeOf }} from {json.dumps(SIGNATURE.as_uri())};
const prefixes = JSON.parse(process.argv[1]);
const types = prefixes.map((hex) => typeOf(Uint8Array.from(Buffer.from(hex, 'hex'))) ?? null);
console.log(JSON.stringify(types));
"""


def heif(major: bytes, *compatible: bytes) -> bytes:
    brands = major + bytes(4) + b"".join(compatible)
    return (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands + b"\0" * 99


def prefixes() -> list[bytes]:
    """Whatever the labeller tells apart, what is cut off, and what is not a picture."""
    magic = [bytes(offset) + start + bytes(60) for offset, start, _ in header._MAGIC]
    brands = [*header._BRANDS, *header._ANY_HEIF, b"isom"]
    plain = [heif(brand) for brand in brands]
    nested = [heif(b"mif1", b"miaf", brand) for brand in brands]
    late = [heif(b"mif1", *[b"iso8"] * 11, b"heic"), heif(b"mif1", *[b"iso8"] * 40, b"heic")]
    raw = [b"II*\0\x10\0\0\0CR\x02" + bytes(50), b"toString", b"\0\0\0\x18ftypconstructor"]
    found = [*magic, *plain, *nested, *late, *raw, b"", b"\0"]
    return [*found, *(each[:9] for each in found)]


def test_browser_and_labeller_tell_the_same_type_by_the_same_bytes(tmp_path: Path) -> None:
    """Run in Node, which has the same built-in functions."""
    require_node(Path(__file__).parent / "node_modules" / "playwright-core")
    given = prefixes()
    program = tmp_path / "types.mjs"
    program.write_text(PROGRAM.replace("argv[1]", "argv[2]"))
    run = subprocess.run(
        ["node", program, json.dumps([each.hex() for each in given])],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = [found.name if (found := type_of(each[:PREFIX_BYTES])) else None for each in given]
    assert set(expected) == {None, *(each.name for each in ImageType)}
    assert json.loads(run.stdout) == expected


def encoded(kind: ImageType) -> bytes:
    with Image.open(io.BytesIO(photo("chelsea.png"))) as cat:
        content = io.BytesIO()
        if kind is ImageType.HEIC:
            pillow_heif.from_pillow(cat.convert("RGB")).save(content, quality=80)
        else:
            cat.convert("RGB").save(content, kind.name)
    return content.getvalue()


def test_picture_with_the_name_of_another_type_is_labelled(
    service_url: str, tmp_path: Path
) -> None:
    """Every supported type, dropped as .jpg; the type is declared right from the start."""
    require_browser()
    kinds = list(ImageType)
    for kind in kinds:
        content = encoded(kind)
        assert type_of(content[:PREFIX_BYTES]) is kind
        (tmp_path / f"{kind.name}.jpg").write_bytes(content)
    browser = drive("signatures.mjs", service_url, str(tmp_path), *(each.name for each in kinds))
    printed, complaints = browser.communicate(timeout=180)
    assert browser.returncode == 0, printed + complaints
