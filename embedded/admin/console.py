"""What the operator of a running service sees and changes. Calls block: make them in a thread."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from api.errors import Code, RequestError
from core.domain.api_key import id_of_key
from core.domain.clock import to_text
from core.domain.delivery import DeliveryState, endpoint_of
from core.domain.errors import InvalidValue
from core.repositories.ports.audit import AuditAction
from embedded.admin.dead_letters import describe_letter, find_queue
from embedded.admin.deliveries import delivery_record, list_deliveries, list_endpoints
from embedded.admin.keys import find_key, key_record
from embedded.admin.owners import list_owners
from embedded.admin.status import read_status
from embedded.checks.diagnosis import diagnose

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.auth.caller import Caller
    from core.domain.clock import Clock
    from embedded.admin.status import Running
    from embedded.admin.usage import UsageMeter
    from embedded.settings import Settings
    from embedded.stores import Stores

    # Stores that a caller did something to what belongs to an owner.
    Audit = Callable[[Caller, str, AuditAction, str], None]

NO_OWNER: Final = "-"
Items = list[dict[str, Any]]


class Console:
    """Reads and changes the stores of a running service. Each change leaves an audit record."""

    def __init__(
        self,
        settings: Settings,
        stores: Stores,
        clock: Clock,
        usage: UsageMeter,
        running: Running,
        audit: Audit,
    ) -> None:
        self._settings = settings
        self._stores = stores
        self._clock = clock
        self.usage = usage
        self._running = running
        self._audit = audit

    def status(self) -> dict[str, Any]:
        """Return what `labelling status --json` prints, and what runs. Raises Unavailable."""
        return read_status(
            self._settings, self._stores, self._clock(), self.usage.latest, self._running()
        )

    def findings(self) -> dict[str, Any]:
        """Return what `labelling doctor` finds. It reads the whole database."""
        items = [asdict(each) for each in diagnose(self._settings, self._clock)]
        return {"at": to_text(self._clock()), "items": items}

    def owners(self, limit: int, skip: int) -> Items:
        """Return owners and what they use. Raises Unavailable."""
        return list_owners(self._stores.database, self.usage.latest, limit, skip)

    def keys(self, limit: int, skip: int) -> Items:
        """Return API keys, oldest first. Raises Unavailable."""
        return [key_record(each) for each in self._stores.owners.list_keys()[skip : skip + limit]]

    def endpoints(self, limit: int, skip: int) -> Items:
        """Return endpoints that are disabled or waited for. Raises Unavailable."""
        return list_endpoints(self._stores.database, limit, skip)

    def deliveries(self, limit: int, skip: int, state: str) -> Items:
        """Return webhooks of a state. Raises InvalidValue, Unavailable."""
        try:
            wanted = DeliveryState(state)
        except ValueError as exc:
            states = ", ".join(DeliveryState)
            raise InvalidValue("state", f"choose from {states}") from exc
        found = list_deliveries(self._stores.database, wanted, limit, skip)
        return [delivery_record(each) for each in found]

    def dead_letters(self, limit: int, skip: int, queue: str) -> Items:
        """Return dead letters of a queue, oldest first. Raises InvalidValue, Unavailable."""
        letters = find_queue(self._stores, queue).dead_letters(limit, skip)
        return [describe_letter(self._stores, queue, letter) for letter in letters]

    def retry_letters(self, caller: Caller, queue: str) -> dict[str, Any]:
        """Send all dead letters of a queue back to it. Raises InvalidValue."""
        count = find_queue(self._stores, queue).redrive()
        if count:
            subject = f"{count} of {queue}"
            self._audit(caller, NO_OWNER, AuditAction.DEAD_LETTERS_RETRIED, subject)
        return {"retried": count}

    def retry_letter(self, caller: Caller, queue: str, letter_id: str) -> dict[str, Any]:
        """Send one dead letter back to its queue. Raises InvalidValue, RequestError."""
        if not find_queue(self._stores, queue).redrive(letter_id):
            raise _missing("dead letter", letter_id)
        subject = f"{letter_id} of {queue}"
        self._audit(caller, NO_OWNER, AuditAction.DEAD_LETTERS_RETRIED, subject)
        return {"retried": 1}

    def discard_letter(self, caller: Caller, queue: str, letter_id: str) -> dict[str, Any]:
        """Delete one dead letter for good. Raises InvalidValue, RequestError."""
        if not find_queue(self._stores, queue).discard(letter_id):
            raise _missing("dead letter", letter_id)
        subject = f"{letter_id} of {queue}"
        self._audit(caller, NO_OWNER, AuditAction.DEAD_LETTER_DISCARDED, subject)
        return {"discarded": 1}

    def redeliver(self, caller: Caller, delivery_id: str) -> dict[str, Any]:
        """Send a webhook again. `sent` is false where it is on its way already.

        Raises RequestError.
        """
        found = self._stores.deliveries.get(delivery_id)
        if found is None:
            raise _missing("webhook", delivery_id)
        sent = self._stores.deliveries.redeliver(delivery_id, self._clock())
        if sent:
            self._stores.enqueue_delivery(delivery_id)
            self._audit(caller, found.owner, AuditAction.WEBHOOK_REDELIVERED, delivery_id)
        return {"sent": sent}

    def enable_endpoint(self, caller: Caller, owner: str, url: str) -> dict[str, Any]:
        """Send webhooks to an endpoint again. Raises RequestError."""
        endpoint = endpoint_of(url)
        if not self._stores.deliveries.enable_endpoint(owner, endpoint):
            raise _missing(f"disabled endpoint of {owner}", url)
        self._audit(caller, owner, AuditAction.ENDPOINT_ENABLED, endpoint)
        return {"enabled": endpoint}

    def revoke_key(self, caller: Caller, key_id: str) -> dict[str, Any]:
        """Revoke an API key. Raises RequestError."""
        try:
            key = find_key(self._stores.owners, key_id)
        except InvalidValue as exc:
            raise _missing("API key", key_id) from exc
        # A part of an id is enough at a terminal, where its key is shown first.
        if id_of_key(key.hash) != key_id or not self._stores.owners.remove_key(key.hash):
            raise _missing("API key", key_id)
        self._audit(caller, key.owner, AuditAction.KEY_REVOKED, key_id)
        return {"revoked": key_id}


def _missing(kind: str, name: str) -> RequestError:
    return RequestError(Code.NOT_FOUND, f"There is no {kind} {name}: it may be gone. Reload.")
