"""What Carillon occupies when nothing happens."""

import asyncio
import sys

from tests.bench.figures import Figure
from tests.bench.people import Profiles
from tests.bench.processes import memory_mb
from tests.bench.site import Base, Crew, site
from tests.integration.processes.visitor import TOKEN, Visitor
from tests.servers.process import Server, accepts, free_port

CREW = Crew(1, 32)
"""Half of what docker-compose.yml starts; every further process adds about as much as this one."""

REST = 10
"""Seconds between the last post and the look at the memory."""


async def measure(base: Base, _: Profiles) -> list[Figure]:
    """Both ways to run it, each after one post was written, published and looked at."""
    return [*await _served(base), *await _embedded(base)]


async def _served(base: Base) -> list[Figure]:
    async with site(base, "memory") as place:
        web, workers = place.start_web(), place.start_workers(CREW)
        await _use(web.url)
        shares = [memory_mb(web), memory_mb(workers)]
    note = f"web {shares[0]:.0f}, worker {CREW} {shares[1]:.0f} (with Dramatiq's parent); without database and broker"
    return [Figure("idle_served_mb", round(sum(shares)), "", note)]


async def _embedded(base: Base) -> list[Figure]:
    folder, port = base.new_folder("carillon-run"), free_port()
    command = [sys.executable, "-m", "actors.cli", "run", "--host", "127.0.0.1", "--port", str(port)]
    env = {"CARILLON_SETUP_TOKEN": TOKEN}
    server = Server(
        url=f"http://127.0.0.1:{port}",
        command=[*command, "--data-dir", str(folder / "data")],
        env=env,
        ready=lambda: accepts(port),
        log=folder / "output.log",
    ).start()
    try:
        await _use(server.url)
        return [Figure("idle_embedded_mb", round(memory_mb(server)), "< 300", "everything: web, actors, sandbox, database")]
    finally:
        server.stop()


async def _use(url: str) -> None:
    async with Visitor(url) as visitor:
        await visitor.set_up()
        page = await visitor.publish("One post before the rest.")
        await visitor.waits_for(page, "View on", times=2)
    await asyncio.sleep(REST)
