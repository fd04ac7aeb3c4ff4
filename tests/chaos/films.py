"""A film on its way: it is made to fit, uploaded, and worked on by the network, before there is anything to publish.

Films are small and alike to no other. Whoever makes one is seen by the file that is open there, and stops in the middle of it;
an upload stands still when the network has half of it.
"""

import asyncio
import hashlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from app.engine import faultpoints
from platforms.sandbox.values import cid_of
from tests.chaos import strikes
from tests.chaos.flight import Document, Flight
from tests.chaos.networks import BLUESKY
from tests.chaos.scenes import plain
from tests.chaos.wire import Hold, When
from tests.photos import grainy

MADE = ("making ahead", "making")
"""Steps of films that no network takes as they are."""
WORKS = 80
"""Seconds, the network's: so long it works on a film."""
_MARK = 32
"""Bytes in the middle of a film that are in no other."""
_GLANCE = 0.01


async def on_its_way(flight: Flight) -> None:
    """Bring the film, reach the step, and strike."""
    flight.media = await flight.person.bring(await asyncio.to_thread(_film, made=flight.run.scenario.step in MADE))
    await _work_slowly(flight)
    async with _reached(flight) as pid:
        await _strike(flight, pid)


def _film(*, made: bool) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bells.mp4")
        if made:
            grainy(path, frames=60, size=(320, 180), codec="libx265", **{"x265-params": "log-level=none"})
        else:
            grainy(path, frames=15, size=(320, 180))
        return path.read_bytes()


async def _work_slowly(flight: Flight) -> None:
    if flight.profile.network == BLUESKY:
        await flight.quirk("processes", WORKS)
    else:
        await flight.switch_on("processing", on="upload", seconds=WORKS)


async def _strike(flight: Flight, pid: int) -> None:
    fault = plain(flight.run.scenario.fault)
    if fault != "frozen worker":
        await strikes.fell(flight, pid, signal.Signals[fault])
        return
    async with flight.house.crew.frozen(pid) as frozen:
        if frozen:
            await flight.until_at_rest()
    flight.struck = frozen
    flight.let_go()
    await asyncio.sleep(strikes.AWAKE)


# --- the steps --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _reached(flight: Flight) -> AsyncIterator[int]:
    """Publish; the process that is at the step with it, as long as the block lasts."""
    step = flight.run.scenario.step
    if step in MADE:
        await flight.post(delayed=step != "making")
        maker = await _maker(flight)
        try:
            yield maker.ppid()
        finally:
            with suppress(psutil.NoSuchProcess):
                maker.resume()
    elif step == "uploading":
        pid = await flight.post_and_hold(faultpoints.CLAIMED)
        async with _held(flight, When.BEFORE, _middle(flight)):
            yield pid
    else:
        pid = await _worked_on(flight)
        if step == "asked":
            async with _held(flight, When.AFTER, "GET ", await _called(flight)):
                yield pid
        else:
            yield pid


@asynccontextmanager
async def _held(flight: Flight, when: When, *words: str | bytes) -> AsyncIterator[None]:
    """Let the worker go, as far as the next request that carries these ``words``."""
    hold = Hold(when)
    flight.house.network_cuts.order(hold, *words)
    flight.let_go()
    try:
        await hold.begun.wait()
        yield
    finally:
        hold.ended.set()


async def _worked_on(flight: Flight) -> int:
    """The network has the film, and works on it; from here on it must not be sent again.

    *answered*: so it has said, and nothing of that is saved. *saved*: it was put back until then. *waiting*, *asked*: the next
    attempt has claimed it.
    """
    step, points, account_id = flight.run.scenario.step, flight.house.points, flight.profile.id
    await flight.post_and_hold(faultpoints.UPLOADED)
    flight.again = flight.house.network_cuts.count(flight.network.film, strikes.signed_by(flight))
    pid = await _next(flight, faultpoints.UPLOADED, step if step == faultpoints.ANSWERED else faultpoints.SAVED)
    if step in ("waiting", "asked"):
        points.arm(faultpoints.CLAIMED, account_id)
        points.let_go(account_id, faultpoints.SAVED)
        return await points.held(faultpoints.CLAIMED, account_id)
    return pid


async def _next(flight: Flight, before: str, step: str) -> int:
    """Let who is held go on to ``step``."""
    flight.house.points.arm(step, flight.profile.id)
    flight.house.points.let_go(flight.profile.id, before)
    return await flight.house.points.held(step, flight.profile.id)


async def _called(flight: Flight) -> str:
    """What the network calls the upload, or the work on it."""
    delivery = await flight.until(lambda known: flight.media in known["saved"])
    return delivery["saved"].partition(f'"{flight.media}": "')[2].partition('"')[0]


def _middle(flight: Flight) -> bytes:
    [original] = _folder(flight).glob("original.*")
    data = original.read_bytes()
    return data[len(data) // 2 :][:_MARK]


# --- who makes it -----------------------------------------------------------------------------------------------------


async def _maker(flight: Flight) -> psutil.Process:
    """The process that has the film open and makes another of it; it stands still now."""
    [original] = _folder(flight).glob("original.*")
    size = original.stat().st_size
    while True:
        for process in flight.house.crew.processes():
            if _has_open(process.pid, size):
                process.suspend()
                return process
        await asyncio.sleep(_GLANCE)


def _has_open(pid: int, size: int) -> bool:
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if os.readlink(file).endswith("/source") and file.stat().st_size == size:
                    return True
    return False


# --- what the judge hears ---------------------------------------------------------------------------------------------


def kept(flight: Flight) -> list[str]:
    """What Carillon has for the network, by content: the film, or what was made of it, which must be one file."""
    made = flight.run.scenario.step in MADE
    there = [file for file in _folder(flight).iterdir() if file.stem not in ("poster", "thumb")]
    files = [file for file in there if (file.stem == "original") != made]
    return [cid_of(hashlib.sha256(file.read_bytes()).digest()) for file in files]


async def shown(flight: Flight, posts: Sequence[Document]) -> list[str]:
    """What the first of ``posts`` has, by content."""
    if not posts:
        return []
    asked = {"platform": flight.network.server, "id": posts[0]["id"]}
    found: Any = (await flight.house.judge.get("/files", params=asked)).json()
    return [str(cid) for cid in found]


def _folder(flight: Flight) -> Path:
    [folder] = (flight.house.folder / "data" / "media" / "media").glob(f"*/{flight.media}")
    return folder
