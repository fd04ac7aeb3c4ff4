"""A real Bluesky server for the whole run, and a fresh account on it for each test."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from platforms.base import Consent, Session
from platforms.bluesky.adapter import Bluesky
from platforms.http import open_client

PDS = Path(__file__).parent / "pds"
NODE = PDS / "node_modules" / ".bin" / "node"
READY_WITHIN = 60.0
"""Seconds; it takes about five."""
MAIN_PASSWORD = "main password"
_numbers = count(1)


@dataclass(frozen=True)
class Pds:
    """The running server. ``did`` is its own, which its tokens name as their audience."""

    url: str
    did: str


@dataclass(frozen=True)
class Person:
    """Somebody with an account: ``password`` is an app password."""

    did: str
    handle: str
    password: str


@pytest.fixture(scope="session")
async def pds() -> AsyncIterator[Pds]:
    if not NODE.exists():
        missing = "the real PDS is not installed; tests/peers/pds/install.sh does that"
        pytest.fail(missing) if os.environ.get("CARILLON_TEST_PEERS") == "1" else pytest.skip(missing)
    process = await asyncio.create_subprocess_exec(
        NODE, "pds.mjs", cwd=PDS, env=os.environ | {"LOG_ENABLED": "false"}, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    try:
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), READY_WITHIN))
        yield Pds(ready["pds"], ready["did"])
    finally:
        process.terminate()
        await process.communicate()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(allow_private=True) as opened:
        yield opened


@pytest.fixture
async def person(pds: Pds, http: httpx.AsyncClient) -> Person:
    """A newly registered person who has made an app password."""
    handle = f"person-{next(_numbers)}.test"
    registration = {"handle": handle, "email": f"{handle}@mail.test", "password": MAIN_PASSWORD}
    account = await call(http, pds, "com.atproto.server.createAccount", registration)
    made = await call(http, pds, "com.atproto.server.createAppPassword", {"name": "Carillon"}, account["accessJwt"])
    return Person(account["did"], handle, made["password"])


@pytest.fixture
async def consent(pds: Pds, http: httpx.AsyncClient, person: Person) -> Consent:
    answers = {"server": pds.url, "handle": person.handle, "password": person.password}
    return await Bluesky().connector.connect(http, answers)


@pytest.fixture
def session(consent: Consent, http: httpx.AsyncClient) -> Session:
    [account] = consent.candidates
    return Session(consent.server, account.remote_id, account.handle, consent.tokens.values, account.limits, http)


async def call(
    http: httpx.AsyncClient, pds: Pds, method: str, body: Mapping[str, Any] | None, token: str | None = None
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await http.post(f"{pds.url}/xrpc/{method}", json=body, headers=headers)
    assert answer.is_success, answer.text
    decoded: dict[str, Any] = answer.json() if answer.content else {}
    return decoded
