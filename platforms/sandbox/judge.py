"""What tests ask and order: everything that was ever accepted, what was requested, faults, accounts and a clean slate."""

from dataclasses import asdict

from litestar import Router, delete, get, post
from litestar.exceptions import ClientException

from platforms.sandbox.context import Call, Given, Json, Sandbox
from platforms.sandbox.faults import Fault, Kind, On
from platforms.sandbox.quirks import Ordered, Quirk
from platforms.sandbox.values import PASSWORD, Post


@get("/posts")
async def posts(request: Call, sandbox: Given) -> list[Json]:
    """Every post that was ever accepted, in order, deleted ones too."""
    return [_judged(request, sandbox, found) for found in sandbox.store.posts()]


def _judged(request: Call, sandbox: Sandbox, found: Post) -> Json:
    copied = ("platform", "id", "key", "text", "media", "created_at", "accepted_at", "deleted")
    return {
        **{name: getattr(found, name) for name in copied},
        "visibility": found.body.get("visibility", "public"),
        "account": sandbox.author(found).handle,
        "url": sandbox.origin(request) + sandbox.location(found),
    }


@get("/files")
async def files(request: Call, sandbox: Given) -> list[str]:
    """The contents of a post's files, in their order: ``platform`` and ``id`` name a post that people can see."""
    asked = request.query_params
    platform = _platform(sandbox, asked.get("platform", ""))
    found = sandbox.store.post(platform, asked.get("id", ""))
    return [picture.cid for picture in sandbox.networks[platform].look(sandbox.store, found).pictures] if found else []


@get("/requests")
async def requests(sandbox: Given) -> Json:
    """``counters`` per network and purpose; ``first``: when a text was first sent, its answer, and how often it was sent.

    ``status`` is that of the last answer to the first request; ``null`` if it was never answered.
    """
    counters: dict[str, dict[str, int]] = {name: {} for name in sandbox.networks}
    for (platform, purpose), number in sandbox.log.counters.items():
        counters[platform][purpose] = number
    names = ("platform", "at", "text", "status")
    first = [{name: getattr(sent, name) for name in names} | {"sent": sent.times} for sent in sandbox.log.sent]
    return {"counters": counters, "first": first}


@get("/faults")
async def list_faults(sandbox: Given) -> list[Json]:
    """The faults that are switched on; ``times`` counts down to 0, ``hits`` up."""
    return [asdict(fault) for fault in sandbox.faults]


@post("/faults")
async def add_fault(request: Call, sandbox: Given) -> Json:
    """Switch a fault on: ``platform``, ``kind``, and perhaps ``on``, ``seconds`` or ``ms``, ``times``, ``account``."""
    return asdict(switch_on(sandbox, await request.json()))


@delete("/faults", status_code=200)
async def clear_faults(sandbox: Given) -> list[Json]:
    """Switch all faults off."""
    sandbox.faults.clear()
    return []


@get("/quirks")
async def list_quirks(sandbox: Given) -> list[Json]:
    """The quirks that are switched on."""
    return [asdict(ordered) for ordered in sandbox.quirks]


@post("/quirks")
async def add_quirk(request: Call, sandbox: Given) -> Json:
    """Switch a quirk on: ``platform``, ``quirk``, and perhaps ``seconds`` and ``account``."""
    return asdict(_quirk(sandbox, await request.json()))


@delete("/quirks", status_code=200)
async def clear_quirks(sandbox: Given) -> list[Json]:
    """Make every server and account an ordinary one."""
    sandbox.quirks.clear()
    return []


@post("/accounts")
async def add_account(request: Call, sandbox: Given) -> Json:
    """Another user on ``platform``; a bare name gets the sandbox's domain where handles have one."""
    sent = await request.json()
    network = sandbox.networks[_platform(sandbox, sent["platform"])]
    account = network.create_account(sandbox.store, sent["handle"], sent.get("password", PASSWORD))
    return {"platform": account.platform, "id": account.id, "handle": account.handle}


@post("/reset", status_code=200)
async def reset(sandbox: Given) -> Json:
    """Forget posts, files, the request log, faults and quirks. Accounts stay connected."""
    sandbox.clear()
    return {}


def switch_on(sandbox: Sandbox, sent: Json) -> Fault:
    """Switch on the fault that a request or a form describes. Raises a 400 that says what is wrong."""
    try:
        platform = _platform(sandbox, sent["platform"])
        kind, on = Kind(sent["kind"]), On(sent["on"]) if sent.get("on") else None
        seconds = float(sent["ms"]) / 1000 if sent.get("ms") else _number(sent.get("seconds"))
        times = _number(sent.get("times"))
        account = _account_id(sandbox, platform, sent["account"]) if sent.get("account") else None
    except (KeyError, ValueError) as error:
        raise ClientException(f"This is no fault: {error}") from error
    limit = None if times is None else int(times)
    return sandbox.faults.switch_on(platform, kind, on=on, seconds=seconds, times=limit, account=account)


def _quirk(sandbox: Sandbox, sent: Json) -> Ordered:
    try:
        platform, quirk, seconds = _platform(sandbox, sent["platform"]), Quirk(sent["quirk"]), _number(sent.get("seconds"))
        account = _account_id(sandbox, platform, sent["account"]) if sent.get("account") else None
    except (KeyError, ValueError) as error:
        raise ClientException(f"This is no quirk: {error}") from error
    return sandbox.quirks.switch_on(platform, quirk, seconds=seconds or 0.0, account=account)


def _platform(sandbox: Sandbox, name: str) -> str:
    if name not in sandbox.networks:
        raise ValueError(f"{name!r} is not one of {', '.join(sandbox.networks)}")
    return name


def _account_id(sandbox: Sandbox, platform: str, name: str) -> str:
    found = sandbox.store.account(platform, name)
    if found is None:
        raise ValueError(f"nobody is called {name!r}")
    return found.id


def _number(value: object) -> float | None:
    return None if value in {None, ""} else float(str(value))


router = Router(
    path="/api",
    route_handlers=[
        posts,
        files,
        requests,
        list_faults,
        add_fault,
        clear_faults,
        list_quirks,
        add_quirk,
        clear_quirks,
        add_account,
        reset,
    ],
)
