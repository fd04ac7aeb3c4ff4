"""What a worker grows by while a file of a gigabyte goes through it: storage folder, adapter, sandbox."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil

from app import pictures
from app.ids import Id
from app.models import Account, Attachment, Delivery, MediaFile, now
from app.storage import keys
from platforms import REGISTRY
from platforms.base import MediaFacts
from tests.bench.figures import Figure
from tests.bench.people import Profiles, deliveries, plan, sign_in
from tests.bench.processes import tree
from tests.bench.site import Base, Crew, Site, site
from tests.servers.process import Server
from tests.twin.adapter import Foundry
from tests.twin.errors import NAME

SIZE = 1_000_000_000
CREW = Crew(1, 8)
PATIENCE = 180
"""Seconds until the network must have it."""
_HEAD = b"\0\0\0\x18ftypmp42"
_FACTS = MediaFacts("video/mp4", SIZE, 1280, 720, duration=timedelta(minutes=10), video_codec="h264", audio_codec="aac")


async def measure(base: Base, _: Profiles) -> list[Figure]:
    """One post without a file, so that everything is loaded, and one with the file."""
    REGISTRY[NAME] = Foundry()
    try:
        async with site(base, "send") as place:
            [account] = await (await sign_in(base, {NAME: 1})).accounts(Id(), NAME, 1)
            workers = place.start_workers(CREW, of="tests.twin.actors")
            await _publish(base, account, "small")
            return await _send(base, account, workers, await _film(place, account))
    finally:
        del REGISTRY[NAME]


async def _send(base: Base, account: Account, workers: Server, film: MediaFile) -> list[Figure]:
    before, most, began = _resident(workers), [0], time.monotonic()
    watching = asyncio.create_task(_watch(workers, most))
    await _publish(base, account, "large", Attachment(media_id=film.id, alt="Bells"))
    watching.cancel()
    took = time.monotonic() - began
    note = f"worker {CREW}: {before / 1e6:.0f} MB before; 1 GB from the folder to the sandbox in {took:.0f} s"
    return [Figure("send_peak_mb", round((most[0] - before) / 1e6, 1), "< 60", note)]


async def _film(place: Site, account: Account) -> MediaFile:
    """A sparse file in the folder: zeros behind the first bytes of a film."""
    media_id = Id()
    key = keys.original(account.workspace_id, media_id, _FACTS.mime)
    await asyncio.to_thread(_write, place.folder / "data" / "media" / key)
    facts = {"mime": _FACTS.mime, "size": SIZE, "width": _FACTS.width, "height": _FACTS.height}
    file = MediaFile(id=media_id, workspace_id=account.workspace_id, path=key, facts=pictures.stored(_FACTS), **facts)
    return await file.insert()


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.write(_HEAD)
        file.truncate(SIZE)


async def _publish(base: Base, account: Account, name: str, *attachments: Attachment) -> None:
    """Raises ``TimeoutError`` if the network does not get it."""
    [delivery] = deliveries([account], 1, now(), name=name)
    delivery.attachments = list(attachments)
    await plan([delivery])
    async with asyncio.timeout(PATIENCE):
        while delivery.parts[0].text not in await base.accepted():
            await asyncio.sleep(0.5)
            found = await Delivery.get(delivery.id)
            if found and found.trouble:
                raise RuntimeError(f"the {name} post failed: {found.trouble.message}")


async def _watch(workers: Server, most: list[int]) -> None:
    while True:
        most[0] = max(most[0], _resident(workers))
        await asyncio.sleep(0.02)


def _resident(workers: Server) -> int:
    """Bytes, of all its processes together: what they share counts several times, before and after."""
    total = 0
    for process in tree(workers):
        with suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total
