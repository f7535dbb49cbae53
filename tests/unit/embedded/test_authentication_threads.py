"""Authentication that waits holds no thread that other work needs."""

from __future__ import annotations

import asyncio
import threading

from anyio.to_thread import current_default_thread_limiter

from api.auth.caller import Caller
from core.domain.errors import Unavailable
from embedded.authentication import build_authenticate, build_sessions
from embedded.limits.thread_pool import build_pools
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.issuer import AUDIENCE, Issuer
from tests.support.waiting import PATIENCE

CALLERS = 60  # more than any pool has threads


def test_key_uses_that_wait_for_the_database_leave_threads_to_others(
    stores: EmbeddedStores,
) -> None:
    settings = Settings(data=stores.root)
    keys = [stores.key_for("anna") for _ in range(CALLERS)]
    pools = build_pools(thumbnails=settings.workers)
    opened = open_stores(settings)
    authenticate = build_authenticate(
        settings, opened, pools, build_sessions(settings, opened), keyless=False
    )

    async def main() -> None:
        with opened.database.write():  # another write is in progress
            waiting = [asyncio.ensure_future(authenticate(f"Bearer {key}")) for key in keys]
            async with asyncio.timeout(PATIENCE):
                while not any(  # noqa: ASYNC110  # set by a thread
                    thread.name.startswith("key-use") for thread in threading.enumerate()
                ):
                    await asyncio.sleep(0.001)
                assert await pools.read(str, 1) == "1"
            assert current_default_thread_limiter().borrowed_tokens == 0
            assert not any(each.done() for each in waiting)
        assert {caller.owner for caller in await asyncio.gather(*waiting)} == {"anna"}

    asyncio.run(main())
    assert pools.stop(PATIENCE)
    assert all(key.last_used_at for key in opened.owners.list_keys())
    opened.database.close()


def test_slow_issuer_leaves_threads_to_others(stores: EmbeddedStores) -> None:
    issuer = Issuer()
    issuer.drip = 0.01
    settings = Settings(data=stores.root, oidc_issuer=issuer.url, oidc_audience=AUDIENCE)
    pools = build_pools(thumbnails=settings.workers)
    opened = open_stores(settings)
    authenticate = build_authenticate(
        settings, opened, pools, build_sessions(settings, opened), keyless=False
    )

    async def main() -> None:
        token = issuer.token()
        waiting = [asyncio.ensure_future(authenticate(f"Bearer {token}")) for _ in range(CALLERS)]
        async with asyncio.timeout(PATIENCE):
            while not issuer.asked:  # noqa: ASYNC110  # set by a thread
                await asyncio.sleep(0.001)
        assert await pools.read(str, 1) == "1"
        assert await pools.key_use(str, 1) == "1"
        assert current_default_thread_limiter().borrowed_tokens == 0
        issuer.drip = 0
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in ended} <= {Caller, Unavailable}  # on a slow machine

    asyncio.run(main())
    issuer.close()
    assert pools.stop(PATIENCE)
    opened.database.close()
