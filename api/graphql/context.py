"""The context of a GraphQL operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.auth.caller import Caller
from api.services.dependencies import Services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strawberry.dataloader import DataLoader

    from api.graphql.execution.documents import Documents
    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.domain.own_vocabulary import OwnVocabulary


class Context:
    """A request's caller, the services, and loaders that batch reads.

    `documents` are those that the service executes. `request_id` is in every log line of the
    request.
    """

    def __init__(
        self, services: Services, caller: Caller, documents: Documents, request_id: str
    ) -> None:
        self.services = services
        self.caller = caller
        self.owner = caller.owner
        self.documents = documents
        self.request_id = request_id
        self.operation = "invalid"  # its label once it is known: see `Documents.label`
        self.forget()

    def forget(self) -> None:
        """Drop loaded values: each event of a subscription reads them again."""
        from strawberry.dataloader import DataLoader as Loader  # 1% of a start  # noqa: PLC0415

        self.deliveries: DataLoader[str, Delivery | None] = Loader(self._load_deliveries)
        # By the folded name of a label that they have.
        self.newest_blobs: DataLoader[str, Blob | None] = Loader(self._load_newest_blobs)
        # By owner: there is one.
        self.vocabularies: DataLoader[str, OwnVocabulary] = Loader(self._load_vocabularies)

    async def _load_deliveries(self, blob_ids: Sequence[str]) -> list[Delivery | None]:
        found = await self.services.read(self.services.deliveries.find_latest, self.owner, blob_ids)
        return [found.get(blob_id) for blob_id in blob_ids]

    async def _load_newest_blobs(self, labels: Sequence[str]) -> list[Blob | None]:
        found = await self.services.read(self.services.blobs.find_newest, self.owner, labels)
        return [found.get(label) for label in labels]

    async def _load_vocabularies(self, owners: Sequence[str]) -> list[OwnVocabulary]:
        find = self.services.blobs.vocabularies.find
        return [await self.services.read(find, owner) for owner in owners]
