"""Files from the library, for the composer: in a dialog with htmx, and without it on a page between two looks at the composer.

The page carries all that the composer held in hidden fields, so nothing typed is lost, whichever button is pressed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from litestar import Router, get
from litestar.datastructures import FormMultiDict
from litestar.params import FromQuery
from litestar.response import Response

from app.ids import Id
from app.models import Attachment, MediaFile
from app.routes import forms
from app.routes.imports import Imports
from app.routes.library import shown
from app.routes.security import Asking, Me
from app.routes.templating import page
from app.services.media import shelf
from app.services.media.shelf import Wanted
from app.services.people.users import Identity
from app.services.writing import drafts
from app.services.writing.drafts import Draft
from app.services.writing.posts import AttachedMedia
from app.services.writing.sizes import MAX_MEDIA

_OURS = frozenset({"_csrf_token", "action", "pick", "find", "images", "import", "address"})
"""Fields that the page has itself, or that were used up on the way to it."""

_TOO_MANY = f"A post holds at most {MAX_MEDIA} files; the others were left out."


# --- with htmx --------------------------------------------------------------------------------------------------------


@get("/library/pick")
async def dialog(request: Asking, identity: Me, find: FromQuery[str] = "", count: FromQuery[int] = shelf.PAGE) -> Response[Any]:
    """What the dialog holds: the newest files, or those that were looked for, and what is ticked already."""
    ticked = forms.ids(request.query_params.getall("pick", []))
    return page("pick.html", block="picks", dialog=True, **await _offered(identity, find, ticked, count))


@get("/library/picked")
async def picked(request: Asking, identity: Me) -> Response[Any]:
    """The ticked files as the composer lists them, numbered behind those (``media``) that it has."""
    there = forms.ids(request.query_params.getall("media", []))
    wanted = [one for one in forms.ids(request.query_params.getall("pick", [])) if one not in there]
    found = await shelf.picked(identity.workspace, wanted[: max(0, MAX_MEDIA - len(there))])
    items = [AttachedMedia.of(file, _begun(file)) for file in found]
    return page("pick.html", block="picked", items=items, first=len(there) + 1)


# --- with the composer's form -----------------------------------------------------------------------------------------


async def offer(who: Identity, form: FormMultiDict, draft: Draft, fetched: Imports, *, address: str, count: str) -> Response[Any]:
    """The page to pick from, which leads back to the composer at ``address``."""
    number = int(count) if count.isascii() and count.isdecimal() and len(count) < 5 else shelf.PAGE  # noqa: PLR2004
    ticked = forms.ids(form.getall("pick", []))
    found = await _offered(who, form.get("find", ""), ticked, number)
    fields = list(_carried(form, draft, fetched))
    return page("pick.html", me=who, section="compose", dialog=False, address=address, fields=fields, **found)


async def added(who: Identity, form: FormMultiDict, draft: Draft) -> tuple[Draft, dict[str, str]]:
    """With the files that were picked, as far as there is room."""
    found = await shelf.picked(who.workspace, forms.ids(form.getall("pick", []))[:MAX_MEDIA])
    more = drafts.added(draft, [_begun(file) for file in found])
    if len(more.attachments) <= MAX_MEDIA:
        return more, {}
    return replace(more, attachments=more.attachments[:MAX_MEDIA]), {"media": _TOO_MANY}


def _carried(form: FormMultiDict, draft: Draft, fetched: Imports) -> Iterable[tuple[str, str]]:
    """The composer's fields, with the files that came with this form and what is still on its way."""
    known = set(form.getall("media", []))
    for name, value in form.multi_items():
        if name not in _OURS and isinstance(value, str):
            yield name, value
    for each in draft.attachments:
        if each.media_id not in known:
            yield "media", each.media_id
            yield f"alt-{each.media_id}", each.alt
    for row in fetched.rows:
        yield "import", row.id
    yield "address", fetched.address


# --- both -------------------------------------------------------------------------------------------------------------


async def _offered(who: Identity, find: str, ticked: Sequence[Id], count: int) -> dict[str, Any]:
    """Those that are ticked stay in sight, whatever is looked for."""
    found = await shelf.shelf(who.workspace, Wanted(search=find), count=count)
    kept = await shelf.picked(who.workspace, ticked[:MAX_MEDIA])
    there = {file.id for file in kept}
    return {
        "items": [shown(file) for file in [*kept, *(file for file in found.files if file.id not in there)]],
        "ticked": there,
        "find": find,
        "more": count + shelf.PAGE if found.older and count < shelf.MOST else 0,
    }


def _begun(file: MediaFile) -> Attachment:
    return Attachment(media_id=file.id, alt=file.alt)


router = Router("/", route_handlers=[dialog, picked])
