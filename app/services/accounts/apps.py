"""As which app this installation is known at a network: the operator's own, or one that it registers by itself on each server.

The operator's comes from the environment, ``CARILLON_<NETWORK>_<FIELD>`` (or ``..._FILE``), and not from a page: it belongs to
the whole installation and not to a workspace, whose owners may be strangers to each other; workers need it to renew tokens; and
a copy of the database does not hold it.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import httpx
from pymongo.errors import DuplicateKeyError

from app import runtime
from app.engine import access
from app.errors import Invalid
from app.models import PendingConnection, Registration
from app.sealing import SealBroken
from app.settings import app_variable
from platforms import REGISTRY
from platforms.base import Connector, OAuthConnector, RegisteringConnector


def missing(platform: str) -> list[str]:
    """The variables that the operator has to set before anybody can connect an account there."""
    known = access.operator_app(platform)
    fields = REGISTRY[platform].connector.app_fields
    return [app_variable(platform, field.name) for field in fields if not field.default and field.name not in known]


async def for_begin(
    http: httpx.AsyncClient, platform: str, answers: Mapping[str, str], redirect_uri: str
) -> tuple[str, dict[str, str]]:
    """The server that ``answers`` name, and the app there. Raises ``Invalid`` if the operator has to do something first."""
    connector = cast(OAuthConnector, REGISTRY[platform].connector)
    if variables := missing(platform):
        raise Invalid({"": f"The operator has to register an app there first, and set {' and '.join(variables)}."})
    if _registers(connector):
        return await _registered(http, platform, cast(RegisteringConnector, connector), answers, redirect_uri)
    return connector.server(answers), access.operator_app(platform)


async def for_finish(pending: PendingConnection) -> dict[str, str]:
    """The app that the connection began with. Raises ``Invalid``."""
    if not _registers(REGISTRY[pending.platform].connector):
        return access.operator_app(pending.platform)
    known = await _find(pending.platform, pending.server, pending.redirect_uri)
    if known is None:
        raise Invalid({"": "The connection could not be completed. Please start again."})
    return runtime.current().sealer.open(known.sealed)


async def forget(pending: PendingConnection) -> None:
    """The server does not know our registration any more."""
    known = await _find(pending.platform, pending.server, pending.redirect_uri)
    if known is not None:
        await known.delete()


def _registers(connector: Connector) -> bool:
    return not connector.app_fields and hasattr(connector, "register")


async def _registered(
    http: httpx.AsyncClient, platform: str, connector: RegisteringConnector, answers: Mapping[str, str], redirect_uri: str
) -> tuple[str, dict[str, str]]:
    sealer = runtime.current().sealer
    server = connector.server(answers)
    known = await _find(platform, server, redirect_uri)
    if known is not None:
        with suppress(SealBroken):
            return server, sealer.open(known.sealed)
        await known.delete()  # the installation's secret key changed: register anew
    server, app = await connector.register(http, answers, redirect_uri=redirect_uri)
    registration = Registration(platform=platform, server=server, redirect_uri=redirect_uri, sealed=sealer.seal(app))
    try:
        await registration.insert()
    except DuplicateKeyError:  # somebody registered at the same moment; one registration serves all
        known = await _find(platform, server, redirect_uri)
        return server, sealer.open(known.sealed) if known else app
    return server, app


async def _find(platform: str, server: str, redirect_uri: str) -> Registration | None:
    return await Registration.find_one({"platform": platform, "server": server, "redirect_uri": redirect_uri})
