"""What people see: both timelines, single posts and profiles that look like the network's, and the faults panel."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from platforms.sandbox.bluesky_rules import images_of
from platforms.sandbox.context import BLUESKY, DOMAIN, KEYLESS, MASTODON, PASSWORD, SERVERS, Given, Sandbox, server
from platforms.sandbox.faults import EXPLAINED, On
from platforms.sandbox.judge import switch_on
from platforms.sandbox.richtext import Piece, from_facets, from_plain
from platforms.sandbox.templating import page, static
from platforms.sandbox.values import Account, Post

VISIBILITY = {"public": "Public", "unlisted": "Unlisted", "private": "Followers only", "direct": "Direct"}
LABELS = {BLUESKY: "Bluesky", MASTODON: "Mastodon", KEYLESS: "A Mastodon without keys"}

Call = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Image:
    """A picture on a page."""

    src: str
    alt: str


@dataclass(frozen=True, slots=True)
class Card:
    """One post, ready to be drawn. ``copies`` > 1 means that the same text stands on the account more than once."""

    post: Post
    author: Account
    name: str
    href: str
    profile: str
    pieces: list[Piece]
    images: list[Image]
    warning: str
    visibility: str
    application: str
    at: datetime
    copies: int = 1


def card(sandbox: Sandbox, post: Post, copies: int = 1) -> Card:
    """What the pages show of ``post``."""
    author = sandbox.author(post)
    body = post.body
    return Card(
        post=post,
        author=author,
        name=_name(author),
        href=sandbox.base_path + sandbox.location(post),
        profile=_profile(sandbox, author),
        pieces=from_facets(body["record"]) if "record" in body else from_plain(post.text),
        images=_images(sandbox, post),
        warning=body.get("spoiler_text", ""),
        visibility=VISIBILITY[body.get("visibility", "public")],
        application=body.get("application", ""),
        at=datetime.fromtimestamp(post.accepted_at, UTC),
        copies=copies,
    )


def _images(sandbox: Sandbox, post: Post) -> list[Image]:
    base = f"{sandbox.base_path}/media"
    if "record" in post.body:
        shown = images_of(post.body["record"])
        return [Image(f"{base}/{image['image']['ref']['$link']}", image["alt"]) for image in shown]
    uploads = [sandbox.store.upload(upload_id) for upload_id in post.body["media"]]
    return [Image(f"{base}/{upload.cid}", upload.description) for upload in uploads if upload]


def _name(account: Account) -> str:
    return account.handle.removesuffix(DOMAIN).title()


def _profile(sandbox: Sandbox, account: Account) -> str:
    where = f"profile/{account.handle}" if account.platform == BLUESKY else f"@{account.handle}"
    return f"{sandbox.base_path}/{account.platform}/{where}"


def _timeline(sandbox: Sandbox, platform: str, account: str | None = None) -> list[Card]:
    found = sandbox.store.timeline(platform, account)
    copies = Counter((post.account, post.text) for post in found)
    return [card(sandbox, post, copies[post.account, post.text]) for post in found]


@get("/")
async def overview(request: Call, sandbox: Given) -> Response[str]:
    """Both timelines side by side, how to connect, and the faults."""
    return page(
        sandbox,
        "overview.html",
        columns=[(name, LABELS[name], cards) for name in SERVERS if (cards := _timeline(sandbox, name)) or name != KEYLESS],
        live="live" in request.query_params,
        origin=sandbox.origin(request),
        handle="you" + DOMAIN,
        password=PASSWORD,
        faults=[fault for fault in sandbox.faults if fault.times != 0],
        kinds=EXPLAINED,
        targets=list(On),
        labels=LABELS,
    )


@post("/faults", status_code=303)
async def add_fault(request: Call, sandbox: Given) -> Redirect:
    """The form of the faults panel."""
    form = await request.form()
    switch_on(sandbox, dict(form.items()))
    return Redirect(f"{sandbox.base_path}/#faults", status_code=303)


@post("/faults/clear", status_code=303)
async def clear_faults(sandbox: Given) -> Redirect:
    """The panel's *Switch all off*."""
    sandbox.faults.clear()
    return Redirect(f"{sandbox.base_path}/#faults", status_code=303)


@get(["/bluesky/profile/{actor:str}", "/bluesky"])
async def bluesky_profile(sandbox: Given, actor: FromPath[str] = "you" + DOMAIN) -> Response[str]:
    """One account's posts on the emulated Bluesky."""
    return _account_page(sandbox, sandbox.store.account("bluesky", actor))


@get("/bluesky/profile/{actor:str}/post/{rkey:str}")
async def bluesky_post(sandbox: Given, actor: FromPath[str], rkey: FromPath[str]) -> Response[str]:
    """One post on the emulated Bluesky."""
    account = sandbox.store.account("bluesky", actor)
    found = sandbox.store.post("bluesky", f"at://{account.id}/app.bsky.feed.post/{rkey}") if account else None
    return _post_page(sandbox, found)


@get(["/mastodon/{name:str}", "/mastodon"])
async def mastodon_profile(request: Call, sandbox: Given, name: FromPath[str] = "@you") -> Response[str]:
    """One account's posts on the emulated Mastodon."""
    return _account_page(sandbox, sandbox.store.account(server(request), name.removeprefix("@")))


@get("/mastodon/{name:str}/{status_id:str}")
async def mastodon_post(request: Call, sandbox: Given, name: FromPath[str], status_id: FromPath[str]) -> Response[str]:
    """One post on the emulated Mastodon."""
    found = sandbox.store.post(server(request), status_id)
    by_name = found if found and f"@{sandbox.author(found).handle}" == name else None
    return _post_page(sandbox, by_name)


def _account_page(sandbox: Sandbox, account: Account | None) -> Response[str]:
    if account is None:
        return _missing(sandbox, "There is no such account here.")
    cards = _timeline(sandbox, account.platform, account.id)
    label = LABELS[account.platform]
    return page(sandbox, "profile.html", account=account, name=_name(account), label=label, cards=cards)


def _post_page(sandbox: Sandbox, post: Post | None) -> Response[str]:
    if post is None:
        return _missing(sandbox, "This post does not exist, or it was deleted.")
    return page(sandbox, "post.html", card=card(sandbox, post), label=LABELS[post.platform])


def _missing(sandbox: Sandbox, message: str) -> Response[str]:
    return page(sandbox, "missing.html", status=404, message=message)


@get("/media/{cid:str}")
async def media(sandbox: Given, cid: FromPath[str]) -> Response[bytes]:
    """An uploaded file; only what was recognised as an image is named as one."""
    blob = sandbox.store.blob(cid)
    if blob is None:
        raise NotFoundException
    shown = blob.mime if blob.mime.startswith("image/") and "svg" not in blob.mime else "application/octet-stream"
    return static(blob.data, shown)


@get("/avatar/{name:str}")
async def avatar(name: FromPath[str]) -> Response[bytes]:
    """A coloured square with the name's first letter."""
    name = name.removesuffix(".svg").removesuffix(DOMAIN)
    hue = sha256(name.encode()).digest()[0] * 360 // 256
    letter = name[:1].upper() if name[:1].isalnum() else "?"
    return static(_AVATAR.format(hue=hue, letter=letter).encode(), "image/svg+xml")


_AVATAR = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" fill="hsl({hue} 55% 45%)"/>'
    '<text x="24" y="32" font-family="sans-serif" font-size="22" fill="#fff" text-anchor="middle">{letter}</text></svg>'
)


@get("/style.css")
async def style() -> Response[bytes]:
    """The one style sheet."""
    return static(files("platforms.sandbox").joinpath("style.css").read_bytes(), "text/css")


handlers = [
    overview,
    add_fault,
    clear_faults,
    bluesky_profile,
    bluesky_post,
    mastodon_profile,
    mastodon_post,
    media,
    avatar,
    style,
]
