"""Uploaded files: checked, stored as they came but without what they tell about their maker, and shown by signed links."""

from collections.abc import AsyncIterable
from dataclasses import replace
from datetime import timedelta

from app import pictures, runtime
from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import MediaFile, MediaState, Post, User, Workspace, now, reading
from app.queries import equal
from app.services.media import checking
from app.services.media.offers import Offer
from app.storage import Missing, Stored, pieces

MAX_ALT = 5_000
"""Characters that describe one file; networks take 500 to 2,000."""

MAX_FOLDER = 60
"""Characters of a folder's name."""

LINK_TIME = timedelta(days=1)
"""Signed links stay good for one to two of these, and are the same all day, so that browsers can keep the picture."""


async def add(workspace: Workspace, data: bytes) -> MediaFile:
    """Keep a small picture that is in memory anyway. Raises like :func:`receive`."""
    return await receive(workspace, pieces(data))


async def receive(workspace: Workspace, source: AsyncIterable[bytes], *, name: str = "", user: User | None = None) -> MediaFile:
    """Keep a file that comes through this process, a piece of it in memory at a time.

    Raises ``Invalid`` (field ``media``) for what is too large, or no picture or film that we open.
    """
    media_id, offer = Id(), Offer(name, "", 0)
    async with checking.room(offer.type), checking.cleaned(source) as clean:
        placed, facts = await checking.kept(workspace.id, media_id, clean), clean.facts
    return await MediaFile(
        id=media_id,
        workspace_id=workspace.id,
        uploader_id=user.id if user else None,
        name=offer.title,
        mime=facts.mime,
        size=facts.size,
        width=facts.width,
        height=facts.height,
        facts=pictures.stored(facts),
        path=placed.path,
        poster=placed.poster,
        thumb=placed.thumb,
    ).insert()


async def get(workspace: Workspace, media_id: Id) -> MediaFile:
    """The file, if it belongs to ``workspace`` and is ready. Raises ``NotFound``."""
    file = await reading.get(MediaFile, media_id)
    if file is None or file.workspace_id != workspace.id or file.state is not MediaState.READY:
        raise NotFound
    return file


async def describe(
    workspace: Workspace,
    media_id: Id,
    *,
    name: str | None = None,
    alt: str | None = None,
    focus: tuple[float, float] | None = None,
    folder: str | None = None,
) -> MediaFile:
    """What its owner says about the file; posts that hold it keep the description they have. Raises ``NotFound``, ``Invalid``."""
    file = await get(workspace, media_id)
    if alt is not None and len(alt) > MAX_ALT:
        raise Invalid({"alt": f"The description has more than {MAX_ALT:,} characters. Make it shorter."})
    if focus is not None and not all(0 <= share <= 1 for share in focus):
        raise Invalid({"focus": "Choose a point inside the picture."})
    if folder is not None and len(folder := " ".join(folder.split())) > MAX_FOLDER:
        raise Invalid({"folder": f"The name of the folder has more than {MAX_FOLDER} characters. Choose a shorter one."})
    title = None if name is None else Offer(name, "", 0).title
    said = {"name": title, "alt": alt, "focus": focus and list(focus), "folder": folder}
    changes = {field: value for field, value in said.items() if value is not None}
    if changes:
        await MediaFile.get_pymongo_collection().update_one({"_id": file.id}, {"$set": changes})
    return await get(workspace, media_id)


async def used_by(workspace: Workspace, media_id: Id) -> list[Post]:
    """The posts that hold the file, for all accounts or for one; the newest first."""
    held = {**equal(workspace_id=workspace.id), "holds": {"$in": [media_id]}}
    return sorted(await reading.find(Post, held), key=lambda post: post.order, reverse=True)


# --- signed links -----------------------------------------------------------------------------------------------------


def url(file: MediaFile) -> str:
    """A relative link to the picture, or a film's poster, that works without a session and stops working after a while."""
    return _link("poster" if file.poster else "file", file)


def thumb_url(file: MediaFile) -> str:
    """Such a link to a small picture of it; where there is none, to the one that :func:`url` has."""
    return _link("thumb", file) if file.thumb else url(file)


def film_url(file: MediaFile) -> str:
    """Such a link to a film itself; ``""`` for a picture."""
    return _link("file", file) if file.mime.startswith("video/") else ""


async def signed(what: str, media_id: str, until: int, signature: str) -> Stored:
    """What lies in the storage behind a signed link: of the ``file``, its ``poster`` or its ``thumb``.

    Raises ``NotFound`` for a wrong or old signature, as for a missing file.
    """
    expired = until < now().timestamp() / LINK_TIME.total_seconds()  # strangers may send numbers that no float can hold
    if expired or not runtime.current().sealer.signed(_subject(what, media_id, until), signature):
        raise NotFound
    file = await reading.get(MediaFile, Id(media_id))
    if file is None or file.state is not MediaState.READY:
        raise NotFound
    places = {"poster": (file.poster, "image/jpeg"), "thumb": (file.thumb, "image/webp")}
    path, mime = places.get(what, (file.path, file.mime))
    try:
        stored = await runtime.current().storage.head(path)
    except Missing:
        raise NotFound from None
    return replace(stored, mime=mime)  # old keys name no type


def _link(what: str, file: MediaFile) -> str:
    day = int(now().timestamp() // LINK_TIME.total_seconds()) + 2
    signature = runtime.current().sealer.sign(_subject(what, str(file.id), day))
    return f"/media/{file.id}/{what}?until={day}&sig={signature}"


def _subject(what: str, media_id: str, until: int) -> str:
    return f"media:{what}:{media_id}:{until}"
