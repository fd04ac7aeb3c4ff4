"""The floor: what a delivery costs at the very least here, without an engine around it.

A bare event loop in a process of its own: one request for each delivery over the client that Carillon uses, and two grouped
writes of its document, one before the request and one after it. Measured in the same run as the engine, so that a busy or slow
machine counts for both.
"""

import asyncio
import os
import resource
import sys
from datetime import datetime
from typing import Any

from pymongo import AsyncMongoClient, UpdateOne

from app.ids import Id
from app.models import now
from platforms.http import open_client
from tests.bench.figures import Figure
from tests.bench.people import BLUESKY, Profiles, deliveries, plan
from tests.bench.processes import cpu_seconds
from tests.bench.site import Base, site

NUMBER = 1000
AT_ONCE = 200
GROUP = 200


async def measure(base: Base, profiles: Profiles) -> tuple[float, Figure]:
    """Processor milliseconds per delivery of everybody involved, and the figure."""
    async with site(base, "floor") as place:
        accounts = await profiles.accounts(Id(), BLUESKY, NUMBER)
        await plan(deliveries(accounts, 1, now(), name="floor"))
        servers = {"database": place.engine, "sandbox": base.sandbox}
        before = {name: cpu_seconds(server) for name, server in servers.items()}
        command = [sys.executable, "-m", "tests.bench.floor", place.settings.mongodb_url.get_secret_value(), base.sandbox.url]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=os.environ)
        told, _ = await process.communicate()
        cost = {name: (cpu_seconds(server) - before[name]) / NUMBER * 1000 for name, server in servers.items()}
        cost["process"] = float(told)
    total = sum(cost.values())
    note = ", ".join(f"{name} {one:.1f}" for name, one in cost.items())
    return total, Figure("floor_cpu_ms", round(total, 1), "", note)


async def _run(database_url: str, sandbox_url: str) -> float:
    """Processor milliseconds of this process per delivery, less what it took to start."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(database_url, tz_aware=True, w="majority", journal=True)
    collection = client.get_default_database()["deliveries"]
    ids = [found["_id"] async for found in collection.find({}, {"_id": 1})]
    http = open_client(allow_private=True, connections=AT_ONCE)
    begun = _cpu()
    for first in range(0, len(ids), GROUP):
        group = ids[first : first + GROUP]
        await _write(collection, group, "fenced_at")
        await asyncio.gather(*(_ask(http, sandbox_url, one) for one in group))
        await _write(collection, group, "published_at")
    cost = (_cpu() - begun) / len(ids) * 1000
    await http.aclose()
    await client.close()
    return cost


async def _write(collection: Any, ids: list[str], field: str) -> None:
    await collection.bulk_write([UpdateOne({"_id": one}, {"$set": {field: datetime.now()}}) for one in ids], ordered=False)  # noqa: DTZ005


async def _ask(http: Any, url: str, text: str) -> None:
    """A request as large as a publication's, that the network answers without doing anything."""
    await http.post(f"{url}/bluesky/xrpc/com.atproto.repo.putRecord", json={"record": {"text": text * 10}})


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(asyncio.run(_run(*sys.argv[1:3])))
