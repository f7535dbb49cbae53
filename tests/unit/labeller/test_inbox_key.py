"""Keys of objects in the inbox."""

from __future__ import annotations

import pytest

from labeller.inbox_key import (
    MAX_KEY_BYTES,
    RejectedKey,
    inbox_owner,
    is_clutter,
    is_inbox_key,
    rejected_key,
)


@pytest.mark.parametrize(
    ("key", "owner"),
    [
        ("inbox/anna/cat.png", "anna"),
        ("inbox/anna/2026/May 1/cat + dog.png", "anna"),
        ("inbox/Zoë #1/x", "Zoë #1"),
        ("inbox/anna//cat.png", "anna"),
        ("inbox/anna/./cat.png", "anna"),
        ("inbox/anna/../boris/cat.png", "anna"),
        ("inbox/anna/" + "x" * 1000, "anna"),
        (f"inbox/{'x' * 64}/cat.png", "x" * 64),
    ],
)
def test_first_part_is_the_owner(key: str, owner: str) -> None:
    """Whatever the name after it is."""
    assert is_inbox_key(key)
    assert inbox_owner(key) == owner


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("inbox/cat.png", "names no owner"),
        ("inbox/", "names no owner"),
        ("inbox//cat.png", "1 to 64 bytes"),
        ("inbox/./cat.png", "1 to 64 bytes"),
        ("inbox/../anna/cat.png", "1 to 64 bytes"),
        (f"inbox/{'x' * 65}/cat.png", "1 to 64 bytes"),
        (f"inbox/{'ü' * 33}/cat.png", "1 to 64 bytes"),
        ("inbox/an\nna/cat.png", "printable"),
    ],
)
def test_key_without_a_valid_owner_is_rejected_with_a_remedy(key: str, reason: str) -> None:
    """In ASCII, as S3 wants metadata."""
    with pytest.raises(RejectedKey, match=reason) as rejection:
        inbox_owner(key)
    assert str(rejection.value).isascii()
    assert "Put the object under inbox/<owner>/" in str(rejection.value)


@pytest.mark.parametrize("key", ["originals/anna/01ARYZ", "my/inbox/anna/cat.png", "inbox", ""])
def test_other_keys_are_outside_the_inbox(key: str) -> None:
    assert not is_inbox_key(key)


@pytest.mark.parametrize(
    "name",
    [
        *(".DS_Store", "Thumbs.db", "thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini"),
        *("._cat.jpg", "2026/._cat.jpg", "Icon\r", ".localized", "__MACOSX/cat.jpg"),
    ],
)
def test_files_of_desktops_are_clutter(name: str) -> None:
    assert is_clutter(f"inbox/anna/{name}", 6148)


@pytest.mark.parametrize(
    ("key", "size"),
    [
        ("inbox/anna/cat.jpg", 5),
        ("inbox/anna/.cat.jpg", 5),
        ("inbox/anna/Thumbs.db.jpg", 5),
        ("inbox/anna/Thumbs.db/cat.jpg", 5),
        ("inbox/anna/", 5),
        ("inbox/anna/cat.jpg", 0),
    ],
)
def test_pictures_are_no_clutter(key: str, size: int) -> None:
    """An empty picture fails with a reason that the owner can read."""
    assert not is_clutter(key, size)


@pytest.mark.parametrize("size", [0, None])
def test_folder_objects_are_clutter(size: int | None) -> None:
    assert is_clutter("inbox/anna/2026/", size)


@pytest.mark.parametrize("key", ["inbox/cat.png", "inbox/" + "x" * 1018, "inbox/" + "ü" * 509])
def test_rejected_key_is_one_that_s3_takes(key: str) -> None:
    target = rejected_key(key)
    assert target.startswith("rejected/")
    assert len(target.encode()) <= MAX_KEY_BYTES
    assert key.removeprefix("inbox/").startswith(target.removeprefix("rejected/"))
