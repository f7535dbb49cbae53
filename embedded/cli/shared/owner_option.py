"""The option that names an owner, and what is checked of it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import click

from core.domain.errors import InvalidValue
from core.domain.owner import LOCAL_OWNER, MAX_OWNER, is_owner_name
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from embedded.cli.shared.errors import NoSuchThing
from embedded.cli.shared.stores import dynamodb_table, opened_stores

if TYPE_CHECKING:
    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.owners import OwnerRepository
    from embedded.settings import Settings

owner_option: Final = click.option(
    "--owner", default=LOCAL_OWNER, show_default=True, metavar="NAME", help="The owner."
)
new_owner_option: Final = click.option(
    "--new-owner",
    is_flag=True,
    help="The owner has no key and no picture yet, as one of OpenID Connect before its first "
    "upload.",
)


def check_owner(name: str) -> None:
    """Check that a text can name an owner. Raises InvalidValue."""
    if not is_owner_name(name):
        raise InvalidValue("--owner", f"must be 1 to {MAX_OWNER} bytes without '/'")


def check_owner_exists(
    settings: Settings, table: str | None, name: str, *, new: bool | None = None
) -> None:
    """Check that there is an owner: it has a key, a picture or a record, or is the local one.

    With `new` any name will do that can name one; None: the command does not have `--new-owner`.
    Raises InvalidValue or NoSuchThing.
    """
    check_owner(name)
    if new or name == LOCAL_OWNER:
        return
    if table:
        opened = dynamodb_table(table)
        known = _known_owners(
            DynamoOwnerRepository(opened, str), DynamoBlobRepository(opened), name
        )
    else:
        with opened_stores(settings) as stores:
            known = _known_owners(stores.owners, stores.blobs, name)
    if name in known:
        return
    similar = get_close_matches(name, known, n=1)
    guess = f" Did you mean {similar[0]!r}?" if similar else ""
    remedy = "" if new is None else " Give --new-owner if it is new."
    raise NoSuchThing(
        f"There is no owner {name!r}: none of the keys and pictures belongs to it.{guess} "
        f"'labelling keys list' shows the owners of keys.{remedy}"
    )


def _known_owners(owners: OwnerRepository, blobs: BlobRepository, name: str) -> set[str]:
    """Return the names of known owners, with `name` if it is one."""
    if _has_blobs(blobs, name) or _has_settings(blobs, name):
        return {name}
    known = {LOCAL_OWNER, *(key.owner for key in owners.list_keys())}
    known.update(owner for owner, _ in owners.stored_secrets())
    return known


def _has_settings(blobs: BlobRepository, owner: str) -> bool:
    policy, vocabulary = blobs.policies.find(owner).policy, blobs.vocabularies.find(owner)
    return policy.version > 0 or vocabulary.version > 0


def _has_blobs(blobs: BlobRepository, owner: str) -> bool:
    after = None
    while True:
        found, after = blobs.scan(owner, 1, after)
        if found:
            return True
        if after is None:
            return False
