"""The sandbox as one ASGI application, alone on its own port or mounted under a prefix of another one."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from platforms.sandbox import judge, pages
from platforms.sandbox.context import Sandbox
from platforms.sandbox.gate import UPLOAD_LIMIT, Gate
from platforms.sandbox.networks import NETWORKS
from platforms.sandbox.store import Store
from platforms.sandbox.values import PASSWORD

_KEPT = ("type", "asgi", "http_version", "method", "scheme", "query_string", "headers", "client", "server")


def create_sandbox(
    *,
    base_path: str = "",
    store: Path | None = None,
    clock: Callable[[], float] = time.time,
    dates: bool = False,
) -> ASGIApp:
    """The emulated networks, their pages and the judge.

    ``base_path`` is the prefix it is reached under (``"/sandbox"``); requests may arrive with or without it. ``store`` is the
    database file; without one everything is in memory. ``dates``: the networks' answers get their ``Date`` header here, because
    the server around does not give them one.
    One process only, and the outer application needs to run no lifespan for it.
    """
    sandbox = Sandbox(Store(store, clock), NETWORKS, base_path)
    for network in NETWORKS.values():
        network.create_account(sandbox.store, "you", PASSWORD)
    application = Litestar(
        route_handlers=[judge.router, *pages.handlers, *(route for each in NETWORKS.values() for route in each.handlers)],
        dependencies={"sandbox": Provide(lambda: sandbox, sync_to_thread=False)},
        request_max_body_size=UPLOAD_LIMIT,
        openapi_config=None,
        logging_config=None,
    )
    return _Mounted(base_path, Gate(application, sandbox, dates=dates))


class _Mounted:
    """Takes the prefix off, and hides from the inner application what an outer one left in the scope."""

    def __init__(self, base_path: str, inner: ASGIApp) -> None:
        self._base_path = base_path
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return
        path = scope["path"]
        if f"{path}/".startswith(f"{self._base_path}/"):
            path = path.removeprefix(self._base_path) or "/"
        kept = {name: value for name, value in scope.items() if name in _KEPT}
        fresh: Any = {**kept, "path": path, "raw_path": path.encode(), "root_path": "", "state": {}}
        await self._inner(fresh, receive, send)
