"""Records of the audit log for requests of clients."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from api.auth.rate_limits import client_address
from core.domain.errors import Unavailable
from core.repositories.ports.audit import AuditRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.auth.caller import Caller
    from core.domain.clock import Clock
    from core.repositories.ports.audit import AuditAction, AuditLog

log = logging.getLogger(__name__)


def request_auditor(records: AuditLog, clock: Clock) -> Callable[[Caller, AuditAction, str], None]:
    """Return the function that stores what a caller did, from the address of its request.

    What is done is done: where the record can't be stored, its content is logged as an error.
    """

    def audit(caller: Caller, action: AuditAction, subject: str) -> None:
        address = client_address.get()
        record = AuditRecord(clock(), action, caller.owner, caller.name, address, subject)
        try:
            records.append(record)
        except Unavailable:
            log.exception(
                "audit record not stored",
                extra={
                    "action": action.value,
                    "owner": caller.owner,
                    "actor": caller.name,
                    "origin": address,
                    "subject": subject,
                },
            )

    return audit
