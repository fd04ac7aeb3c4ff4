"""Uploaded images: checked, stored as they came but without what they tell about their maker, and shown by signed links."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

from app import pictures, runtime
from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import MediaFile, Workspace, now, reading
from app.storage import Missing, Stored, keys, pieces
from platforms.base import MediaFacts

MAX_UPLOAD_BYTES = 25 * 1024 * 1024
"""Largest file a person may upload; phone photos are 3 to 12 MB."""

LINK_TIME = timedelta(days=1)
"""Signed links stay good for one to two of these, and are the same all day, so that browsers can keep the picture."""


async def add(workspace: Workspace, data: bytes) -> MediaFile:
    """Store an image for ``workspace``. Raises ``Invalid`` (field ``media``) for what is no JPEG, PNG, WebP, GIF, HEIC or AVIF.

    Videos are opened by ``pictures.clean(..., films=True)``; they are refused until pages and adapters can deal with them.
    """
    if len(data) > MAX_UPLOAD_BYTES:
        raise Invalid({"media": f"The file is larger than {MAX_UPLOAD_BYTES // 1024 // 1024} MB."})
    clean, facts = await _cleaned(data)
    media_id = Id()
    file = MediaFile(
        id=media_id,
        workspace_id=workspace.id,
        mime=facts.mime,
        size=facts.size,
        width=facts.width,
        height=facts.height,
        facts=pictures.stored(facts),
        path=keys.original(workspace.id, media_id, facts.mime),
    )
    await runtime.current().storage.write(file.path, pieces(clean), mime=file.mime, size=file.size)
    return await file.insert()


async def _cleaned(data: bytes) -> tuple[bytes, MediaFacts]:
    with tempfile.TemporaryDirectory(prefix="carillon-") as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        await asyncio.to_thread(source.write_bytes, data)
        facts = await pictures.clean(source, target)
        return await asyncio.to_thread(target.read_bytes), facts


async def get(workspace: Workspace, media_id: Id) -> MediaFile:
    """The file, if it belongs to ``workspace``. Raises ``NotFound``."""
    file = await reading.get(MediaFile, media_id)
    if file is None or file.workspace_id != workspace.id:
        raise NotFound
    return file


# --- signed links -----------------------------------------------------------------------------------------------------


def url(file: MediaFile) -> str:
    """A relative link to the picture that works without a session and stops working after a while."""
    day = int(now().timestamp() // LINK_TIME.total_seconds()) + 2
    return f"/media/{file.id}?until={day}&sig={_sign(str(file.id), day)}"


async def read_signed(media_id: str, until: int, signature: str) -> tuple[MediaFile, Stored, AsyncIterator[bytes]]:
    """The file behind a signed link, what lies in the storage for it, and the bytes of that.

    Raises ``NotFound`` for a wrong or old signature, as for a missing file.
    """
    expired = until < now().timestamp() / LINK_TIME.total_seconds()  # strangers may send numbers that no float can hold
    if expired or not runtime.current().sealer.signed(f"media:{media_id}:{until}", signature):
        raise NotFound
    file = await reading.get(MediaFile, Id(media_id))
    if file is None:
        raise NotFound
    try:
        stored = await runtime.current().storage.head(file.path)
    except Missing:
        raise NotFound from None
    return file, stored, runtime.current().storage.read(file.path, end=stored.size)


def _sign(media_id: str, until: int) -> str:
    return runtime.current().sealer.sign(f"media:{media_id}:{until}")
