"""Operations of an owner on webhooks: test, redeliver, enable an endpoint, rotate the secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from api.services.blobs import find_blob
from api.services.dependencies import Services
from api.services.uploads import check_callback_url
from core.domain.clock import new_id
from core.domain.delivery import TEST_VERSION, Delivery, delivery_id, endpoint_of
from core.domain.errors import LabellingError, Unavailable

if TYPE_CHECKING:
    from core.domain.blob import Blob
    from core.domain.owner import Owner

log = logging.getLogger(__name__)


class NothingToRedeliver(LabellingError):
    """No webhook has been due for the blob."""

    def __init__(self, blob: Blob) -> None:
        super().__init__(
            f"Blob {blob.id} is {blob.status}: its webhook is sent once it is LABELLED or FAILED."
            if blob.callback_url
            else f"Blob {blob.id} was created without a callbackUrl, so no webhook is sent for it."
        )


async def send_test(services: Services, owner: str, url: str) -> Delivery:
    """Send a test event to a URL, without retries. Raises CallbackUrlRefused."""
    from core.events.webhook_payload import test_event  # for a rare call  # noqa: PLC0415

    check_callback_url(url, services.callback_rules)
    now = services.clock()
    name = new_id(now)
    delivery = Delivery(
        id=delivery_id(name, TEST_VERSION),
        blob_id=name,
        owner=owner,
        url=url,
        body=test_event(now),
        created_at=now,
        due_at=now,
    )
    if await services.write(services.deliveries.add, delivery):
        await _enqueue(services, delivery.id)
    log.info("test webhook requested", extra={"webhook_id": delivery.id, "owner": owner})
    return delivery


async def redeliver(services: Services, owner: str, blob_id: str) -> Blob:
    """Send a blob's webhook again, whatever its state.

    Raises:
        BlobNotFound: the owner has no such blob.
        NothingToRedeliver: no webhook has been due for it.

    """
    blob = await find_blob(services, owner, blob_id)
    delivery = (await services.read(services.deliveries.find_latest, owner, [blob_id])).get(blob_id)
    if delivery is None:
        raise NothingToRedeliver(blob)
    if await services.write(services.deliveries.redeliver, delivery.id, services.clock()):
        await _enqueue(services, delivery.id)
    log.info("redelivery requested", extra={"webhook_id": delivery.id, "owner": owner})
    return blob


async def enable_endpoint(services: Services, owner: str, url: str) -> bool:
    """Enable an endpoint that answered 410 Gone; return False when it was not disabled."""
    return await services.write(services.deliveries.enable_endpoint, owner, endpoint_of(url))


async def rotate_secret(services: Services, owner: str) -> Owner:
    """Sign an owner's webhooks with a new secret, and with the old ones too for 24 h.

    Raises TooManyRotations.
    """
    from core.domain.owner import new_secret, with_new_secret  # for a rare call  # noqa: PLC0415
    from core.repositories.ports.owners import update_owner  # as above  # noqa: PLC0415

    made, now = new_secret(), services.clock()
    changed = await services.write(
        update_owner, services.owners, owner, lambda known: with_new_secret(known, made, now)
    )
    log.info("webhook secret rotated", extra={"owner": owner})
    return changed


async def _enqueue(services: Services, delivery_id: str) -> None:
    try:
        await services.write(services.enqueue_delivery, delivery_id)
    except Unavailable:  # the delivery is stored: the sweep enqueues it within a minute
        log.warning("delivery not enqueued", extra={"webhook_id": delivery_id}, exc_info=True)
