"""What web and worker grow by while a film of a gigabyte goes through them: browser, storage folder, adapter, sandbox.

The film is one that really has so many bytes: they are packets of its pictures, so that they are still there when the file has
been looked at and repacked. It lies in the folder that the browser reads, and none of the processes that are measured reads it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import psutil

from app.models import Delivery, MediaFile, Workspace
from platforms import REGISTRY
from tests.bench.bringing import bring
from tests.bench.figures import Figure
from tests.bench.people import Profiles, sign_in
from tests.bench.processes import tree
from tests.bench.site import Base, Crew, Site, site
from tests.integration.processes.visitor import Visitor
from tests.photos import grainy, repeated
from tests.servers.process import Server
from tests.twin.adapter import Foundry
from tests.twin.errors import NAME

SIZE = 1_000_000_000
CREW = Crew(1, 8)
PATIENCE = 180
"""Seconds until the network must have it."""
_RATE, _FRAMES = 30, 10
"""Of the scene that is repeated."""
_LOOK = 0.02
"""Seconds between two looks at the memory."""


async def measure(base: Base, _: Profiles) -> list[Figure]:
    """A small film first, so that everything is loaded, and then the large one."""
    REGISTRY[NAME] = Foundry()
    try:
        async with site(base, "send") as place:
            return await _measure(base, place)
    finally:
        del REGISTRY[NAME]


async def _measure(base: Base, place: Site) -> list[Figure]:
    small, large = await asyncio.to_thread(_films, place.folder)
    web, workers = place.start_web(of="tests.twin.site:served"), place.start_workers(CREW, of="tests.twin.actors")
    async with Visitor(web.url) as visitor:
        await visitor.set_up()
        [workspace] = await Workspace.find_all().to_list()
        [account] = await (await sign_in(base, {NAME: 1})).accounts(workspace.id, NAME, 1)
        await _publish(base, visitor, "small", only=account.id, media=await bring(visitor, small))
        media_id, brought = await _upload(web, visitor, large)
        found = await MediaFile.get(media_id)
        if found is None or found.size < SIZE:
            raise RuntimeError("the film lost its bytes when it was looked at")
        return [*brought, await _send(base, visitor, workers, only=account.id, media=media_id)]


def _films(folder: Path) -> tuple[Path, Path]:
    small = grainy(folder / "small.mp4", frames=_FRAMES, size=(1280, 720), rate=_RATE, crf="10", g="1")
    times = SIZE // small.stat().st_size + 1
    return small, repeated(small, folder / "large.mp4", times=times, seconds=Fraction(_FRAMES, _RATE))


async def _upload(web: Server, visitor: Visitor, film: Path) -> tuple[str, list[Figure]]:
    """The file's id. The process that opens the film is the web's child, and gone afterwards."""
    began = time.monotonic()
    async with _watched(lambda: [_head(web)]) as ours, _watched(lambda: _head(web).children(recursive=True)) as childs:
        media_id = await bring(visitor, film)
    took = time.monotonic() - began
    note = f"web: {ours.before / 1e6:.0f} MB before; 1 GB from the browser to the folder, looked at and kept, in {took:.0f} s"
    told = "the child process of the web that looks at the film; gone with it"
    return media_id, [
        Figure("upload_peak_mb", ours.grown, "< 60", note),
        Figure("upload_check_peak_mb", childs.grown, "", told),
    ]


async def _send(base: Base, visitor: Visitor, workers: Server, *, only: str, media: str) -> Figure:
    began = time.monotonic()
    async with _watched(lambda: tree(workers)) as ours:
        await _publish(base, visitor, "large", only=only, media=media)
    took = time.monotonic() - began
    note = f"worker {CREW}: {ours.before / 1e6:.0f} MB before; the same film from the folder to the sandbox in {took:.0f} s"
    return Figure("send_peak_mb", ours.grown, "< 60", note)


async def _publish(base: Base, visitor: Visitor, text: str, *, only: str, media: str) -> None:
    """Raises ``TimeoutError`` if the network does not get it."""
    page = await visitor.publish(text, only=[only], media=media)
    async with asyncio.timeout(PATIENCE):
        while text not in await base.accepted():
            await asyncio.sleep(0.5)
            found = await Delivery.find_one({"post_id": page.rpartition("/")[2]})
            if found and found.trouble:
                raise RuntimeError(f"the {text} post failed: {found.trouble.message}")


# --- memory -----------------------------------------------------------------------------------------------------------


@dataclass
class _Peak:
    """Bytes of resident memory, of all processes together: what they share counts several times, before and after."""

    before: int
    most: int

    @property
    def grown(self) -> float:
        """In megabytes."""
        return round((self.most - self.before) / 1e6, 1)


@asynccontextmanager
async def _watched(processes: Callable[[], Iterable[psutil.Process]]) -> AsyncIterator[_Peak]:
    """Looked at again and again as long as the block lasts."""
    before = sum(_resident(processes))
    peak = _Peak(before, before)
    watching = asyncio.create_task(_watch(processes, peak))
    try:
        yield peak
    finally:
        watching.cancel()


async def _watch(processes: Callable[[], Iterable[psutil.Process]], peak: _Peak) -> None:
    while True:
        peak.most = max(peak.most, sum(_resident(processes)))
        await asyncio.sleep(_LOOK)


def _resident(processes: Callable[[], Iterable[psutil.Process]]) -> Iterator[int]:
    for process in processes():
        with suppress(psutil.NoSuchProcess):
            yield process.memory_info().rss


def _head(server: Server) -> psutil.Process:
    if server.process is None:
        raise RuntimeError("the server is not running")
    return psutil.Process(server.process.pid)
