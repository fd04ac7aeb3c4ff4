"""``python -m tests.bench.sandbox``: processor milliseconds of the sandbox per publish request; it should cost others little.

Requests go over kept raw connections, because an HTTP client would cost more than what is measured.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from platforms import REGISTRY
from platforms.bluesky.tid import record_key
from platforms.sandbox.connect import connect
from tests.contract.harness import session_of, words
from tests.servers import sandbox
from tests.servers.process import Server

AT_ONCE = 32
TEXT = "Ring the bells of the old tower at noon. " * 3


def main() -> None:
    """Measure each network, with and without a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sandbox", description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    number = parser.parse_args().requests
    for kept in (False, True):
        for platform in REGISTRY:
            with tempfile.TemporaryDirectory() as folder:
                server = sandbox.start(Path(folder), store=Path(folder) / "sandbox.db" if kept else None)
                cost = asyncio.run(_measure(server, platform, number))
                server.kill()
            print(f"{platform:10} {'in a file' if kept else 'in memory':10} {cost:.3f} ms", flush=True)


async def _measure(server: Server, platform: str, number: int) -> float:
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        session = session_of(await connect(http, server.url, REGISTRY[platform]), http)
    requests = iter([_request(server, platform, session.remote_id, session.tokens["access"], n) for n in range(number)])
    assert server.process
    process = psutil.Process(server.process.pid)
    before = process.cpu_times()
    await asyncio.gather(*(_send(httpx.URL(server.url).port or 0, requests) for _ in range(AT_ONCE)))
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) * 1000 / number


def _request(server: Server, platform: str, account: str, token: str, number: int) -> bytes:
    """The visible request of the platform's adapter."""
    text = f"{number} {TEXT}"
    record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-09-20T08:15:00.000Z", "langs": ["en"]}
    key = record_key(words().created_at, f"key-{number}")
    path, sent = {
        "bluesky": (
            "bluesky/xrpc/com.atproto.repo.putRecord",
            {"repo": account, "collection": "app.bsky.feed.post", "rkey": key, "swapRecord": None, "record": record},
        ),
        "mastodon": ("mastodon/api/v1/statuses", {"status": text, "visibility": "public", "media_ids": [], "language": "en"}),
    }[platform]
    body = json.dumps(sent).encode()
    headers = {
        "Host": httpx.URL(server.url).netloc.decode(),
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "Carillon",
        "Authorization": f"Bearer {token}",
        "Idempotency-Key": f"key-{number}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /{path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def _send(port: int, requests: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == b"200", head
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()


if __name__ == "__main__":
    main()
