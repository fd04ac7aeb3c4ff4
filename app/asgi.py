"""The web application: Litestar with its routes, templates and protections put together."""

import logging

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.plugins.htmx import HTMXPlugin

from app import runtime
from app.courier import Courier, connect_broker
from app.routes import (
    accounts,
    compose,
    failures,
    files,
    health,
    imports,
    library,
    media,
    picking,
    posts,
    sessions,
    setup,
    static,
    uploads,
    workspace,
)
from app.routes.bodies import TEXT_BYTES, Visit
from app.routes.compression import compress
from app.routes.security import (
    OnlyMembers,
    OnlySignedIn,
    SignedIn,
    csrf_config,
    protect,
    provide_identity,
    provide_member,
    provide_workspace,
)
from app.routes.templating import template_config
from app.services.people import users
from app.settings import Settings

log = logging.getLogger("uvicorn.error")
"""The web server's own log, which is shown without further configuration."""

_COOKIELESS = {"exclude_from_csrf": True}
"""Answers that caches may keep must not carry one person's cookie to another."""

_FORM_BYTES = TEXT_BYTES
"""Of a form without files: strangers may send some of them."""


def create_app(settings: Settings, courier: Courier, *, runtime_started: bool = False) -> Litestar:
    """The application for one process. ``runtime_started``: somebody else starts and stops the runtime (``carillon run``)."""

    async def start() -> None:
        parts = await runtime.start(settings, courier)
        if settings.setup_token is None and not await users.any_exists():
            log.warning("first visit: open /setup?token=%s to become the owner", parts.setup_token)

    return Litestar(
        route_handlers=[_public(), _private(), _watched()],
        on_startup=[] if runtime_started else [start],
        on_shutdown=[] if runtime_started else [runtime.stop],
        template_config=template_config(),
        middleware=[compress],
        plugins=[HTMXPlugin()],
        csrf_config=csrf_config(settings),
        before_send=[protect(settings)],
        exception_handlers=failures.HANDLERS,
        request_class=Visit,
        request_max_body_size=_FORM_BYTES,
        openapi_config=None,
    )


def served() -> Litestar:
    """For an ASGI server with real services: everything from the environment. ``uvicorn --factory app.asgi:served``."""
    settings = Settings()
    if settings.amqp_url is None:
        raise ValueError("CARILLON_AMQP_URL is not set; without RabbitMQ use `carillon run`")
    return create_app(settings, Courier(connect_broker(settings.amqp_url.get_secret_value())))


def _public() -> Router:
    """What strangers may see."""
    people = Router("/", route_handlers=[setup.router, sessions.router], middleware=[SignedIn])
    machines = Router("/", route_handlers=[static.router, media.router, files.router, health.router], opt=_COOKIELESS)
    return Router("/", route_handlers=[machines, people])


def _private() -> Router:
    """What needs a person, and shows only that person's workspace."""
    return Router(
        "/",
        route_handlers=[
            accounts.router,
            compose.router,
            imports.router,
            library.router,
            picking.router,
            posts.router,
            uploads.router,
            workspace.router,
        ],
        middleware=[OnlySignedIn],
        dependencies={
            "identity": Provide(provide_identity, sync_to_thread=False),
            "workspace": Provide(provide_workspace, sync_to_thread=False),
        },
    )


def _watched() -> Router:
    """What open pages ask for every few seconds."""
    place = {"member": Provide(provide_member, sync_to_thread=False)}
    return Router("/", route_handlers=[posts.watched], middleware=[OnlyMembers], dependencies=place)
