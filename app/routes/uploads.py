"""How a browser brings files: it asks here, puts them straight into the storage, and says here when they are there. JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar import Router, delete, get, post, put
from litestar.params import FromPath, JSONBody

from app.ids import Id
from app.routes import forms
from app.routes.security import Asking, Me
from app.services.media import files, uploads
from app.services.media.offers import MAX_FILM, Offer
from app.services.media.uploads import Arrival
from app.storage import Signed


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a browser says about a file, and for which accounts it is meant. None of it is trusted later."""

    name: str
    size: int
    type: str = ""
    accounts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Parts, by their numbers."""

    numbers: list[int]


@post("/media/uploads")
async def begin(identity: Me, data: JSONBody[Announcement]) -> dict[str, Any]:
    """A place to put the file: 201, or 422 or 429 with a sentence."""
    chosen = {Id(account) for account in data.accounts if Id.is_valid(account)}
    offer = Offer(data.name, data.type, data.size)
    return _told(await uploads.begin(identity.workspace, identity.user, offer, account_ids=chosen))


@get("/media/uploads/{media_id:str}")
async def show(identity: Me, media_id: FromPath[str]) -> dict[str, Any]:
    """How far it is."""
    return _told(await uploads.get(identity.workspace, forms.to_id(media_id)))


@post("/media/uploads/{media_id:str}/parts", status_code=200)
async def parts(identity: Me, media_id: FromPath[str], data: JSONBody[Wanted]) -> dict[str, Any]:
    """Where to put these parts."""
    signed = await uploads.part_urls(identity.workspace, forms.to_id(media_id), data.numbers)
    return {"parts": {str(number): _address(where) for number, where in signed.items()}}


@put("/media/uploads/{media_id:str}/file", status_code=200, request_max_body_size=MAX_FILM)
async def take(request: Asking, identity: Me, media_id: FromPath[str]) -> dict[str, Any]:
    """The whole file, from a browser that does not reach the storage: a bucket on a private network, or without a CORS rule."""
    await uploads.take(identity.workspace, forms.to_id(media_id), request.stream())
    return {}


@post("/media/uploads/{media_id:str}/confirm", status_code=200)
async def confirm(identity: Me, media_id: FromPath[str]) -> dict[str, Any]:
    """Look at what has come. The answer's ``state`` tells what became of it."""
    return _told(await uploads.confirm(identity.workspace, forms.to_id(media_id)))


@delete("/media/uploads/{media_id:str}", status_code=200)
async def cancel(identity: Me, media_id: FromPath[str]) -> dict[str, Any]:
    """Take it back; one that is ready stays."""
    return _told(Arrival(await uploads.cancel(identity.workspace, forms.to_id(media_id))))


def _told(arrival: Arrival) -> dict[str, Any]:
    file, ready = arrival.file, arrival.file.path != ""
    return {
        "id": file.id,
        "state": file.state,
        "name": file.name,
        "size": file.size,
        **({"reason": file.reason} if file.reason else {}),
        **({"type": file.mime, "width": file.width, "height": file.height, "url": files.url(file)} if ready else {}),
        **({"put": _address(arrival.put)} if arrival.put else {}),
        **(_parts(arrival.sizes, arrival) if arrival.sizes else {}),
    }


def _parts(sizes: Mapping[int, int], arrival: Arrival) -> dict[str, Any]:
    return {"parts": {"size": sizes[1], "count": len(sizes), "there": list(arrival.there)}}


def _address(signed: Signed) -> dict[str, Any]:
    return {"url": signed.url, "headers": dict(signed.headers)}


router = Router("/", route_handlers=[begin, show, parts, take, confirm, cancel])
