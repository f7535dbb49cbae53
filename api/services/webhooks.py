"""Operations of an owner on webhooks: test, redeliver, enable an endpoint, rotate the secret."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from api.services.dependencies import Services
from api.services.uploads import check_callback_url
from core.domain.clock import new_id
from core.domain.delivery import (
    TEST_VERSION,
    Delivery,
    delivery_id,
    endpoint_of,
    upcoming_blob,
)
from core.domain.errors import LabellingError, Unavailable

if TYPE_CHECKING:
    from core.domain.blob import Blob
    from core.domain.owner import Owner

log = logging.getLogger(__name__)


class DeliveryNotFound(LabellingError):
    """The owner has no webhook with this id."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"You have no webhook {delivery_id[:80]!r}.")
        self.delivery_id = delivery_id


class EndpointNotDisabled(LabellingError):
    """The endpoint is not disabled, so it can't be enabled."""

    def __init__(self, endpoint: str) -> None:
        super().__init__("The endpoint is not disabled: there is nothing to do.")
        self.endpoint = endpoint


class NothingToRedeliver(LabellingError):
    """No webhook has been due for the blob."""

    def __init__(self, blob: Blob) -> None:
        super().__init__(
            f"Blob {blob.id} is {blob.status}: its webhook is sent once it is LABELLED or FAILED."
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


async def redeliver(services: Services, owner: str, delivery_id: str) -> Delivery:
    """Send a webhook again, whatever its state; return its new state.

    The id that a blob's webhook has before there is an outcome is that of the blob's last outcome.

    Raises:
        DeliveryNotFound: the owner has no such webhook.
        NothingToRedeliver: its blob has no outcome yet.

    """
    delivery = await _find(services, owner, delivery_id)
    if await services.write(services.deliveries.redeliver, delivery.id, services.clock()):
        await _enqueue(services, delivery.id)
    log.info("redelivery requested", extra={"webhook_id": delivery.id, "owner": owner})
    found = await services.read(services.deliveries.find, owner, [delivery.id])
    return found.get(delivery.id, delivery)


async def _find(services: Services, owner: str, delivery_id: str) -> Delivery:
    deliveries = services.deliveries
    if blob_id := upcoming_blob(delivery_id):
        blob = (await services.read(services.blobs.find, owner, [blob_id])).get(blob_id)
        found = await services.read(deliveries.find_latest, owner, [blob_id])
        if blob and blob.callback_url and not found:
            raise NothingToRedeliver(blob)
        delivery = found.get(blob_id)
    else:
        found = await services.read(deliveries.find, owner, [delivery_id])
        delivery = found.get(delivery_id)
    if delivery is None:
        raise DeliveryNotFound(delivery_id)
    return delivery


async def enable_endpoint(services: Services, owner: str, url: str) -> str:
    """Enable an endpoint that answered 410 Gone, and return it. Raises EndpointNotDisabled."""
    endpoint = endpoint_of(url)
    if not await services.write(services.deliveries.enable_endpoint, owner, endpoint):
        raise EndpointNotDisabled(endpoint)
    return endpoint


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
