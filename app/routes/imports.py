"""Files from web addresses, beside the composer: begun, told how far they are, tried again and taken back.

With htmx each of them is a row that asks for itself until it is a picture. Without it they travel with the composer's form, as
its other files do: every button fetches the address that was typed, and every page shows how far they are (:func:`gathered`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from litestar import Router, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath
from litestar.response import Response

from app.errors import Invalid, NotFound, TooOften
from app.ids import Id
from app.models import Attachment, MediaFile, MediaState
from app.routes import forms
from app.routes.security import Asking, Me
from app.routes.templating import page
from app.services.media import importing, uploads
from app.services.people.users import Identity
from app.services.writing.posts import AttachedMedia
from app.services.writing.sizes import MAX_MEDIA

_NOT_THERE = "A file from a web address has not arrived yet. Wait for it, or cancel it, and press the button once more."
_NOT_FETCHED = "A file from a web address was not fetched. Try again, or remove it, and press the button once more."


@dataclass(frozen=True, slots=True)
class Imports:
    """What a composer holds of them: those ``there`` become its pictures, the ``rows`` are on their way or failed.

    ``address`` is what was typed and not begun, and ``problem`` why.
    """

    there: Sequence[Attachment] = ()
    rows: Sequence[MediaFile] = ()
    address: str = ""
    problem: str = ""

    @property
    def missing(self) -> str:
        """Why nothing can be saved yet, or ``""``."""
        if all(file.state is MediaState.FAILED for file in self.rows):
            return _NOT_FETCHED if self.rows else self.problem
        return _NOT_THERE


NONE = Imports()


# --- with the composer's form -----------------------------------------------------------------------------------------


async def gathered(who: Identity, form: FormMultiDict) -> Imports:
    """What the form holds, after its button did what it does to one of them. Whatever it is about, nothing typed is lost."""
    ids = [Id(value) for value in dict.fromkeys(form.getall("import", [])) if Id.is_valid(value)][:MAX_MEDIA]
    verb, _, subject = form.get("action", "").partition(":")
    begun = await _begun(who, form.get("address", ""))
    try:
        if verb == "import-cancel":
            ids = [one for one in ids if str(one) != subject]
            await uploads.cancel(who.workspace, forms.to_id(subject))
        if verb == "import-again":
            await importing.again(who.workspace, who.user, forms.to_id(subject))
    except NotFound:
        pass  # forgotten, as everything that is no file after a day
    except TooOften as hurry:
        begun = replace(begun, problem=hurry.message)
    known = await importing.among(who.workspace, ids)
    there = [Attachment(media_id=file.id, alt=file.alt) for file in known if file.state is MediaState.READY]
    rows = [file for file in known if file.state is not MediaState.READY]
    return replace(begun, there=there, rows=(*rows, *begun.rows))


async def _begun(who: Identity, address: str) -> Imports:
    if not address.strip():
        return NONE
    try:
        return Imports(rows=[await importing.begin(who.workspace, who.user, address)])
    except Invalid as invalid:
        return Imports(address=address, problem=" ".join(invalid.problems.values()))
    except TooOften as hurry:
        return Imports(address=address, problem=hurry.message)


# --- with htmx --------------------------------------------------------------------------------------------------------


@post("/compose/imports", status_code=200)
async def begin(request: Asking, identity: Me) -> Response[Any]:
    """Have a file fetched: its row, and an empty field; or the field with what is wrong."""
    typed = (await forms.read(request)).get("address", "")
    imports = await _begun(identity, typed) if typed.strip() else Imports(problem="Type the address of a file first.")
    return page("imports.html", block="field", status=200 if imports.rows else 422, imports=imports, apart=True)


@get("/compose/imports/{media_id:str}")
async def show(request: Asking, identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """How far it is; at the end the picture, numbered by those (``media``) that are in the composer."""
    file = await importing.get(identity.workspace, forms.to_id(media_id))
    if file.state is not MediaState.READY:
        return _row(file)
    number = len(request.query_params.getall("media", [])) + 1
    answer = page("import_ready.html", media=AttachedMedia.of(file, Attachment(media_id=file.id, alt=file.alt)), number=number)
    answer.headers.update({"HX-Retarget": "#media-list", "HX-Reswap": "beforeend", "HX-Trigger": "input"})
    return answer


@post("/compose/imports/{media_id:str}/again", status_code=200)
async def again(identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """Try once more what failed."""
    return _row(await importing.again(identity.workspace, identity.user, forms.to_id(media_id)))


@post("/compose/imports/{media_id:str}/cancel", status_code=200)
async def cancel(identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """Take it back: nothing is left of its row. One that was ready meanwhile stays a file, outside this composer."""
    return _row(await uploads.cancel(identity.workspace, forms.to_id(media_id)), gone=True)


def _row(file: MediaFile, *, gone: bool = False) -> Response[Any]:
    rows = [] if gone or file.state is MediaState.DELETED else [file]
    return page("imports.html", block="rows", imports=Imports(rows=rows))


router = Router("/", route_handlers=[begin, show, again, cancel])
