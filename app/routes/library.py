"""The library: the workspace's files on a shelf, one file's page, and what people do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Router, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Response

from app.errors import Invalid, TooLate
from app.ids import Id
from app.models import Attachment, MediaFile
from app.routes import forms
from app.routes.security import Asking, Me
from app.routes.templating import page
from app.services.media import captions, files, removing, shelf
from app.services.media.offers import MAX_FILM
from app.services.media.shelf import Shelf, Wanted
from app.services.people.users import Identity
from app.services.writing import choices, replacing, views
from app.services.writing.posts import AttachedMedia
from app.services.writing.replacing import Replaced
from app.storage.values import MEBIBYTE

_UPLOADS_BYTES = 1024 * MEBIBYTE
"""Of a form with files, without a script."""

_MIDDLE = (0.5, 0.5)
_LIST = "list"
_DONE = {
    "deleted": "The file is deleted.",
    "saved": "Saved.",
    "captions": "The captions are saved.",
    "removed": "The captions are removed.",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at the shelf: what is ``wanted``, as a grid or a list."""

    wanted: Wanted
    view: str

    def address(self, **other: str) -> str:
        """The shelf's address, with something else than now."""
        wanted = self.wanted
        now = {"q": wanted.search, "kind": wanted.kind, "use": wanted.use, "folder": wanted.folder, "view": self.view}
        said = {name: value for name, value in {**now, **other}.items() if value}
        return "/library" + (f"?{urlencode(said)}" if said else "")


# --- the shelf --------------------------------------------------------------------------------------------------------


@get("/library")
async def index(request: Asking, identity: Me, before: FromQuery[str] = "", done: FromQuery[str] = "") -> Response[Any]:
    """A page of it; for htmx only what changes: the shelf, or the next files."""
    asked = {name: str(request.query_params.get(name, "")) for name in ("q", "kind", "use", "folder", "view")}
    look = Look(Wanted(asked["q"], asked["kind"], asked["use"], asked["folder"]), _LIST if asked["view"] == _LIST else "")
    if request.headers.get("HX-Request") == "true":
        return await _shelf(identity, look, before, block="tiles" if before else "shelf")
    return await _shelf(identity, look, before, done=_DONE.get(done, ""))


@post("/library", request_max_body_size=_UPLOADS_BYTES)
async def bring(request: Asking, identity: Me) -> Response[Any]:
    """Files that a form brings, without a script. Those that cannot be used are named."""
    _, problems = await forms.add_uploads(identity.workspace, identity.user, await request.form())
    if problems:
        return await _shelf(identity, Look(shelf.ALL, ""), "", problems=problems, status=422)
    return Redirect("/library", status_code=303)


@get("/library/items/{media_id:str}")
async def item(identity: Me, media_id: FromPath[str], view: FromQuery[str] = "") -> Response[Any]:
    """One file as the shelf lists it: what a script puts where it has brought one."""
    file = await files.get(identity.workspace, forms.to_id(media_id))
    look = Look(shelf.ALL, _LIST if view == _LIST else "")
    return page("library.html", block="tiles", **_tiles(Shelf([file], {}, None), look))


async def _shelf(
    who: Identity,
    look: Look,
    before: str,
    *,
    block: str | None = None,
    problems: Mapping[str, str] | None = None,
    done: str = "",
    status: int = 200,
) -> Response[Any]:
    found = await shelf.shelf(who.workspace, look.wanted, before=forms.to_id(before) if before else None)
    return page(
        "library.html",
        block=block,
        status=status,
        me=who,
        section="library",
        folders=[] if block else await shelf.folders(who.workspace),
        paged=bool(before),
        problems=problems or {},
        done=done,
        **_tiles(found, look),
    )


def _tiles(found: Shelf, look: Look) -> dict[str, Any]:
    return {
        "items": [shown(file) for file in found.files],
        "uses": found.uses,
        "older": look.address(before=found.older) if found.older else "",
        "look": look,
        "listed": look.view == _LIST,
    }


def shown(file: MediaFile) -> AttachedMedia:
    """The file with its links, described as its owner described it."""
    focus = None if tuple(file.focus) == _MIDDLE else file.focus
    own = file.model_copy(update={"focus": _MIDDLE})  # what is chosen here is the file's own point, instead of the middle
    return AttachedMedia.of(own, Attachment(media_id=file.id, alt=file.alt, focus=focus))


# --- one file ---------------------------------------------------------------------------------------------------------


@get("/library/{media_id:str}")
async def show(identity: Me, media_id: FromPath[str], done: FromQuery[str] = "") -> Response[Any]:
    """The file, what is known of it, and where it is used."""
    return await _file(identity, forms.to_id(media_id), done=_DONE.get(done, ""))


@post("/library/{media_id:str}")
async def change(request: Asking, identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """What its owner says about it; fields that the form does not have stay."""
    given, known = await forms.read(request), forms.to_id(media_id)
    in_place = request.headers.get("HX-Request") == "true"
    try:
        file = await files.describe(
            identity.workspace,
            known,
            name=given.get("name"),
            alt=given["alt"].replace("\r\n", "\n").strip() if "alt" in given else None,
            focus=_point(known, given),
            folder=given.get("folder"),
        )
    except Invalid as invalid:
        if in_place:
            return page("file.html", block="said", status=422, saved=False, sentences=list(invalid.problems.values()))
        return await _file(identity, known, problems=invalid.problems, typed=given, status=422)
    if in_place:
        return page("file.html", block="said", saved=True, sentences=[])
    back = given.get("back", "")
    return Redirect(back if back.startswith("/library?") else f"/library/{file.id}?done=saved", status_code=303)


def _point(media_id: Id, given: Mapping[str, str]) -> tuple[float, float] | None:
    """The chosen one, or the middle; ``None`` where the form does not ask. Raises ``Invalid``."""
    name = f"focus-{media_id}"
    if name not in given:
        return None
    chosen, refused = choices.read(media_id, "", {"focus": given[name]})
    if refused:
        raise Invalid({"focus": refused["focus"].message})
    return chosen.focus or _MIDDLE


@post("/library/{media_id:str}/delete")
async def delete(identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """For good; the page says what keeps it."""
    known = forms.to_id(media_id)
    try:
        await removing.delete(identity.workspace, known)
    except TooLate as late:
        return await _file(identity, known, problems={"": late.message}, status=409)
    return Redirect("/library?done=deleted", status_code=303)


@post("/library/{media_id:str}/replace", request_max_body_size=MAX_FILM)
async def replace(request: Asking, identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """Another file in its place; then the new one's page, with what became of the posts."""
    known, form = forms.to_id(media_id), await request.form()
    await files.get(identity.workspace, known)
    added, problems = await forms.add_uploads(identity.workspace, identity.user, form)
    if problems or not added:
        return await _file(identity, known, problems=problems or {"media": "Choose a file first."}, status=422)
    done = await replacing.replaced(identity.workspace, known, added[0].media_id)
    return await _file(identity, done.file.id, replaced=done)


@post("/library/{media_id:str}/captions", request_max_body_size=2 * MEBIBYTE)
async def add_captions(request: Asking, identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """Captions of a film in one language."""
    known, form = forms.to_id(media_id), await request.form()
    language, upload = form.get("language", ""), form.get("captions")
    data = await upload.read() if isinstance(upload, UploadFile) else b""
    try:
        await captions.add(identity.workspace, known, language, data)
    except Invalid as invalid:
        return await _file(identity, known, problems=invalid.problems, typed={"language": language}, status=422)
    return Redirect(f"/library/{known}?done=captions#captions", status_code=303)


@post("/library/{media_id:str}/captions/remove")
async def remove_captions(request: Asking, identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """Without those in one language."""
    known = forms.to_id(media_id)
    await captions.remove(identity.workspace, known, (await forms.read(request)).get("language", ""))
    return Redirect(f"/library/{known}?done=removed#captions", status_code=303)


@get("/library/{media_id:str}/captions/{language:str}")
async def read_captions(identity: Me, media_id: FromPath[str], language: FromPath[str]) -> Response[str]:
    """As the player reads them."""
    said = await captions.text(identity.workspace, forms.to_id(media_id), language)
    return Response(said, media_type="text/vtt", headers={"Cache-Control": "no-store"})


async def _file(
    who: Identity,
    media_id: Id,
    *,
    problems: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    replaced: Replaced | None = None,
    done: str = "",
    status: int = 200,
) -> Response[Any]:
    file = await files.get(who.workspace, media_id)
    found = await removing.holders(who.workspace, media_id)
    return page(
        "file.html",
        status=status,
        me=who,
        section="library",
        file=file,
        media=shown(file),
        folders=await shelf.folders(who.workspace),
        uses=await _uses(found),
        needed=any(one.needs_it for one in found),
        caption_bytes=captions.MAX_BYTES,
        problems=problems or {},
        typed=typed or {},
        replaced=replaced,
        sentences=[],
        saved=False,
        done=done,
    )


async def _uses(found: Sequence[removing.Holder]) -> list[views.PostView]:
    return await views.of([one.post for one in found], [each for one in found for each in one.deliveries])


router = Router(
    "/",
    route_handlers=[
        index,
        bring,
        item,
        show,
        change,
        delete,
        replace,
        add_captions,
        remove_captions,
        read_captions,
    ],
)
