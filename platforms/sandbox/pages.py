"""What people see: timelines, single posts and profiles that look like the network's, and the faults panel."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from platforms.sandbox.base import Look, Picture
from platforms.sandbox.context import Call, Given, Sandbox
from platforms.sandbox.faults import EXPLAINED, On
from platforms.sandbox.judge import switch_on
from platforms.sandbox.receiving import is_shown
from platforms.sandbox.templating import page, static
from platforms.sandbox.values import DOMAIN, Account, Post


@dataclass(frozen=True, slots=True)
class Image:
    """A picture on a page, or a film with its ``captions`` as languages and addresses. One that is not ``kept`` was too large."""

    src: str
    alt: str
    film: bool
    kept: bool
    loops: bool
    captions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One post, ready to be drawn. ``copies`` > 1 means that the same text stands on the account more than once."""

    post: Post
    author: Account
    name: str
    href: str
    profile: str
    look: Look
    images: list[Image]
    at: datetime
    copies: int = 1


def card(sandbox: Sandbox, post: Post, copies: int = 1) -> Card:
    """What the pages show of ``post``."""
    author, network = sandbox.author(post), sandbox.networks[post.platform]
    look = network.look(sandbox.store, post)
    return Card(
        post=post,
        author=author,
        name=_name(author),
        href=sandbox.base_path + network.location(post, author),
        profile=sandbox.base_path + network.profile(author),
        look=look,
        images=[_image(sandbox, picture) for picture in look.pictures],
        at=datetime.fromtimestamp(post.accepted_at, UTC),
        copies=copies,
    )


def _image(sandbox: Sandbox, picture: Picture) -> Image:
    where = f"{sandbox.base_path}/media/"
    captions = tuple((language, where + cid) for language, cid in picture.captions)
    mime, kept = sandbox.store.kind(picture.cid)
    return Image(where + picture.cid, picture.alt, mime.startswith("video/"), kept, picture.loops, captions)


def _name(account: Account) -> str:
    return account.handle.removesuffix(DOMAIN).title()


def _timeline(sandbox: Sandbox, platform: str, account: str | None = None) -> list[Card]:
    found = sandbox.store.timeline(platform, account)
    copies = Counter((post.account, post.text) for post in found)
    return [card(sandbox, post, copies[post.account, post.text]) for post in found]


@get("/")
async def overview(request: Call, sandbox: Given) -> Response[str]:
    """The timelines side by side, how to connect, and the faults."""
    origin, networks = sandbox.origin(request), sandbox.networks.values()
    shown = [network for network in networks if network.shown]
    columns = [(network.name, network.label, _timeline(sandbox, network.name)) for network in networks]
    return page(
        sandbox,
        "templates/overview.html",
        columns=[column for column in columns if column[-1] or sandbox.networks[column[0]].featured],
        live="live" in request.query_params,
        answers=[row for network in shown for row in network.sign_in(f"{origin}/{network.name}")],
        faults=[fault for fault in sandbox.faults if fault.times != 0],
        kinds=EXPLAINED,
        targets=list(On),
        labels={network.name: network.label for network in networks},
        offered={network.name: network.label for network in shown},
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


def account_page(sandbox: Sandbox, account: Account | None) -> Response[str]:
    """An account's posts; ``None`` is answered with a 404."""
    if account is None:
        return _missing(sandbox, "There is no such account here.")
    cards = _timeline(sandbox, account.platform, account.id)
    label = sandbox.networks[account.platform].label
    return page(sandbox, "templates/profile.html", account=account, name=_name(account), label=label, cards=cards)


def post_page(sandbox: Sandbox, post: Post | None) -> Response[str]:
    """A single post; ``None`` is answered with a 404."""
    if post is None:
        return _missing(sandbox, "This post does not exist, or it was deleted.")
    return page(sandbox, "templates/post.html", card=card(sandbox, post), label=sandbox.networks[post.platform].label)


def _missing(sandbox: Sandbox, message: str) -> Response[str]:
    return page(sandbox, "templates/missing.html", status=404, message=message)


@get("/media/{cid:str}")
async def media(sandbox: Given, cid: FromPath[str]) -> Response[bytes]:
    """An uploaded picture or film, or a film's captions; only what was recognised as one is named as one."""
    blob = sandbox.store.blob(cid)
    if blob is None or not blob.data:
        raise NotFoundException
    known = is_shown(blob.mime) and "svg" not in blob.mime
    return static(blob.data, blob.mime if known else "application/octet-stream")


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
async def style(sandbox: Given) -> Response[bytes]:
    """The one style sheet: the house's, and then what each network adds."""
    own = files(__package__).joinpath("style.css").read_text()
    added = dict.fromkeys(network.style for network in sandbox.networks.values())
    return static("\n".join((own, *added)).encode(), "text/css")


handlers = [overview, add_fault, clear_faults, media, avatar, style]
