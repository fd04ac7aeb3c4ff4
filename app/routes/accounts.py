"""Connected profiles: list, connect, reconnect, disconnect."""

from typing import Any

from litestar import Router, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Response

from app import runtime
from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import Account, PendingChoice, now
from app.routes import forms
from app.routes.security import Asking, Here, Me
from app.routes.templating import page
from app.services.accounts import apps, choosing, connecting, profiles
from app.services.people.users import Identity
from platforms import REGISTRY
from platforms.base import Adapter

_DONE = {
    "connected": "Connected. You can write for it now.",
    "sandbox": "The sandbox networks are connected. Write your first post.",
}


async def _list(identity: Identity, *, done: str | None = None, problems: dict[str, str] | None = None) -> Response[Any]:
    connected = await profiles.listed(identity.workspace)
    missing = REGISTRY.keys() - {account.platform for account in connected if account.sandbox}
    offered = runtime.current().settings.sandbox_url is not None and bool(missing)
    return page(
        "accounts.html",
        status=422 if problems else 200,
        me=identity,
        section="accounts",
        accounts=connected,
        ending=await profiles.ending(identity.workspace, now()),
        registry=REGISTRY,
        sandbox=offered,
        done=done,
        problems=problems or {},
    )


@get("/accounts")
async def index(identity: Me, done: FromQuery[str] = "") -> Response[Any]:
    """All accounts, and how to connect more."""
    return await _list(identity, done=_done(done))


def _done(what: str) -> str | None:
    """The sentence for what was done on the page before."""
    number = what.removeprefix("disconnected-")
    if number == what or not number.isdecimal():
        return _DONE.get(what)
    waiting = {"0": "Nothing was waiting to go out there.", "1": "One post that was waiting to go out there is canceled."}
    told = waiting.get(number, f"{number} posts that were waiting to go out there are canceled.")
    return f"Disconnected. {told} What is published stays on the network."


@post("/accounts/sandbox")
async def connect_sandbox(identity: Me) -> Response[Any]:
    """One click: an account on every sandbox network."""
    try:
        await connecting.connect_sandbox(identity.workspace)
    except Invalid as invalid:
        return await _list(identity, problems=invalid.problems)
    return Redirect("/accounts?done=sandbox", status_code=303)


@get("/accounts/connect/{platform:str}")
async def form(request: Asking, identity: Me, platform: FromPath[str], account: FromQuery[str] = "") -> Response[Any]:
    """The connect form, drawn from the adapter's fields; to reconnect, with what is known about ``account``."""
    adapter = _adapter(platform)
    known = await profiles.get(identity.workspace, forms.to_id(account)) if account else None
    return _form(request, identity, adapter, _known_answers(adapter, known), {})


@post("/accounts/connect/{platform:str}")
async def connect(request: Asking, identity: Me, platform: FromPath[str]) -> Response[Any]:
    """Connect at once with a password, or leave for the network's consent page."""
    adapter, answers = _adapter(platform), await forms.read(request)
    try:
        if not _leaves(adapter):
            await connecting.connect(identity.workspace, platform, answers)
            return Redirect("/accounts?done=connected", status_code=303)
        address = await connecting.begin(
            identity.workspace, identity.user, platform, answers, redirect_uri=_redirect_uri(request)
        )
    except Invalid as invalid:
        return _form(request, identity, adapter, answers, invalid.problems)
    return Redirect(address, status_code=303)


@get("/accounts/callback/{mark:str}")
async def callback(request: Asking, identity: Me, mark: FromPath[str]) -> Response[Any]:
    """The person is back from the consent page, with whatever the network gave them along."""
    query = {name: str(value) for name, value in request.query_params.items()}
    try:
        connected = await connecting.finish(identity.workspace, identity.user, mark=mark, query=query)
    except Invalid as invalid:
        return await _list(identity, problems=invalid.problems)
    if isinstance(connected, PendingChoice):
        return Redirect(f"/accounts/choose/{connected.id}", status_code=303)
    return Redirect("/accounts?done=connected", status_code=303)


@get("/accounts/choose/{choice_id:str}")
async def candidates(identity: Me, choice_id: FromPath[str]) -> Response[Any]:
    """The consent covers several profiles: which of them?"""
    return await _choice(identity, forms.to_id(choice_id), {})


@post("/accounts/choose/{choice_id:str}")
async def choose(request: Asking, identity: Me, choice_id: FromPath[str]) -> Response[Any]:
    """Connect those that are ticked."""
    chosen = [str(one) for one in (await request.form()).getall("candidate", [])]
    try:
        await connecting.choose(identity.workspace, identity.user, forms.to_id(choice_id), chosen)
    except Invalid as invalid:
        return await _choice(identity, forms.to_id(choice_id), invalid.problems)
    return Redirect("/accounts?done=connected", status_code=303)


async def _choice(identity: Identity, choice_id: Id, problems: dict[str, str]) -> Response[Any]:
    try:
        pending, consent = await choosing.look(identity.workspace, identity.user, choice_id)
    except Invalid as invalid:
        return await _list(identity, problems=invalid.problems)
    known = {account.remote_id for account in await profiles.listed(identity.workspace) if account.platform == pending.platform}
    return page(
        "choose.html",
        status=422 if problems else 200,
        me=identity,
        section="accounts",
        adapter=_adapter(pending.platform),
        choice=pending,
        candidates=consent.candidates,
        known=known,
        problems=problems,
    )


@post("/accounts/{account_id:str}/disconnect")
async def disconnect(workspace: Here, account_id: FromPath[str]) -> Response[Any]:
    """Forget the account's tokens, and take back what waits for it."""
    number = await profiles.disconnect(workspace, forms.to_id(account_id))
    return Redirect(f"/accounts?done=disconnected-{number}", status_code=303)


def _form(
    request: Asking, identity: Identity, adapter: Adapter, answers: dict[str, str], problems: dict[str, str]
) -> Response[Any]:
    missing = apps.missing(adapter.name)
    return page(
        "connect.html",
        status=422 if problems else 200,
        me=identity,
        section="accounts",
        adapter=adapter,
        leaves=_leaves(adapter),
        missing=missing,
        way_back=connecting.way_back(adapter.name, _redirect_uri(request)) if missing else None,
        answers=answers,
        problems=problems,
    )


def _adapter(platform: str) -> Adapter:
    if platform not in REGISTRY:
        raise NotFound
    return REGISTRY[platform]


def _leaves(adapter: Adapter) -> bool:
    """Whether connecting goes through the network's own consent page."""
    return hasattr(adapter.connector, "exchange")


def _known_answers(adapter: Adapter, account: Account | None) -> dict[str, str]:
    """Fields that are named like facts of the account: its server, its handle."""
    names = [field.name for field in adapter.connector.fields if not field.secret]
    return {name: str(getattr(account, name)) for name in names if hasattr(account, name)}


def _redirect_uri(request: Asking) -> str:
    base = runtime.current().settings.public_url or str(request.base_url)
    return base.rstrip("/") + "/accounts/callback"


router = Router("/", route_handlers=[index, connect_sandbox, form, connect, callback, candidates, choose, disconnect])
