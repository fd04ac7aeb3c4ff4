"""The sandbox called in memory, with a clock that tests move, and one signed-in account per network."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from platforms.sandbox.server import create_sandbox

PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)
MP4 = b"\0\0\0\x18ftypmp42" + bytes(500)
REDIRECT = "http://carillon.test/connected"
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-43-x"


@dataclass
class Clock:
    """Seconds since the epoch, moved by hand."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Pds:
    """A signed-in client of the emulated Bluesky."""

    http: httpx.AsyncClient
    did: str = ""
    access: str = ""
    refresh: str = ""

    async def sign_in(self, handle: str = "you.sandbox.test", password: str = "sandbox") -> httpx.Response:
        answer = await self.post("server.createSession", json={"identifier": handle, "password": password})
        if answer.is_success:
            self.did, self.access, self.refresh = (answer.json()[name] for name in ("did", "accessJwt", "refreshJwt"))
        return answer

    async def post(self, method: str, *, token: str | None = None, **more: Any) -> httpx.Response:
        return await self.http.post(f"/bluesky/xrpc/com.atproto.{method}", headers=_bearer(token or self.access), **more)

    async def get(self, method: str, **params: str) -> httpx.Response:
        return await self.http.get(f"/bluesky/xrpc/com.atproto.{method}", params=params, headers=_bearer(self.access))

    async def write(self, method: str = "putRecord", *, rkey: str = "3mabcdefghi2k", **more: Any) -> httpx.Response:
        record = {"$type": "app.bsky.feed.post", "text": "Ding", "createdAt": "2026-09-20T08:15:00.000Z"}
        record |= more.pop("record", {})
        body = {"repo": self.did, "collection": "app.bsky.feed.post", "rkey": rkey, "record": record, **more}
        return await self.post(f"repo.{method}", json=body)

    async def service(self, lxm: str = "com.atproto.repo.uploadBlob", **asked: str) -> str:
        """A token for the video service."""
        answer = await self.get("server.getServiceAuth", **{"aud": "did:web:sandbox.test", "lxm": lxm} | asked)
        assert answer.is_success, answer.text
        return answer.json()["token"]

    async def film(self, data: bytes = MP4, *, token: str | None = None, **more: Any) -> httpx.Response:
        """Uploaded to the video service."""
        headers = _bearer(token or await self.service()) | {"content-type": more.pop("mime", "video/mp4")}
        params = {"did": self.did, "name": "bell.mp4"} | more
        return await self.http.post("/bluesky/xrpc/app.bsky.video.uploadVideo", content=data, headers=headers, params=params)

    async def job(self, job_id: str) -> dict[str, Any]:
        answer = await self.http.get("/bluesky/xrpc/app.bsky.video.getJobStatus", params={"jobId": job_id})
        return answer.json()["jobStatus"]

    async def limits(self) -> dict[str, Any]:
        token = await self.service("app.bsky.video.getUploadLimits")
        return (await self.http.get("/bluesky/xrpc/app.bsky.video.getUploadLimits", headers=_bearer(token))).json()

    async def quirk(self, quirk: str, **more: Any) -> None:
        ordered = {"platform": "bluesky", "quirk": quirk, "account": self.did, **more}
        assert (await self.http.post("/api/quirks", json=ordered)).status_code == 201

    async def upload(self, data: bytes = PNG, mime: str = "image/png") -> dict[str, Any]:
        headers = {**_bearer(self.access), "content-type": mime}
        answer = await self.http.post("/bluesky/xrpc/com.atproto.repo.uploadBlob", content=data, headers=headers)
        return answer.json()["blob"]


@dataclass
class Instance:
    """A connected client of the emulated Mastodon, or of the ``server`` that is only like it."""

    http: httpx.AsyncClient
    server: str = "mastodon"
    app: dict[str, Any] = field(default_factory=dict)
    access: str = ""

    async def register(self, **more: Any) -> httpx.Response:
        form = {"client_name": "Carillon", "redirect_uris": REDIRECT, "scopes": "read write", **more}
        answer = await self.http.post(f"/{self.server}/api/v1/apps", data=form)
        self.app = answer.json()
        return answer

    async def code(self, *, scope: str = "read write", username: str = "you", **more: str) -> str:
        """What the consent page sends back."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
        asked = {"client_id": self.app["client_id"], "redirect_uri": REDIRECT, "scope": scope, "state": "s 1"}
        asked |= {"response_type": "code", "code_challenge": challenge, "code_challenge_method": "S256", **more}
        answer = await self.http.post(f"/{self.server}/oauth/authorize", data={**asked, "username": username})
        returned = parse_qs(urlsplit(answer.headers["location"]).query)
        assert returned["state"] == ["s 1"]
        return returned["code"][0]

    async def exchange(self, code: str, **more: str) -> httpx.Response:
        own = {name: self.app[name] for name in ("client_id", "client_secret")}
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        answer = await self.http.post(f"/{self.server}/oauth/token", data={**form, **own, **more})
        self.access = answer.json().get("access_token", self.access)
        return answer

    async def get(self, path: str, **params: str) -> httpx.Response:
        return await self.http.get(f"/{self.server}/api/v1/{path}", params=params, headers=_bearer(self.access))

    async def listed(self, path: str = "", **params: str) -> list[str]:
        """The texts of the account's own statuses, or of those at ``path``."""
        own = (await self.get("accounts/verify_credentials")).json()["id"]
        found = (await self.get(path or f"accounts/{own}/statuses", **params)).json()
        return [re.sub("<.*?>", "", status["content"]) for status in found]

    async def publish(self, text: str = "Dong", *, key: str = "", **more: Any) -> httpx.Response:
        headers = _bearer(self.access) | ({"Idempotency-Key": key} if key else {})
        return await self.http.post(f"/{self.server}/api/v1/statuses", json={"status": text, **more}, headers=headers)

    async def upload(self, data: bytes = PNG, **form: str) -> httpx.Response:
        headers, files = _bearer(self.access), {"file": ("bell.png", data, "image/png")}
        return await self.http.post(f"/{self.server}/api/v2/media", data=form, files=files, headers=headers)


@dataclass
class Founder:
    """A signed-in client of the foundry."""

    http: httpx.AsyncClient
    access: str = ""

    async def sign_in(self, name: str = "you", password: str = "sandbox") -> httpx.Response:
        answer = await self.post("tokens", name=name, password=password)
        self.access = answer.json().get("access", self.access)
        return answer

    async def post(self, path: str, **sent: Any) -> httpx.Response:
        return await self.http.post(f"/foundry/v1/{path}", json=sent, headers=_bearer(self.access))

    async def get(self, path: str, **params: str) -> httpx.Response:
        return await self.http.get(f"/foundry/v1/{path}", params=params, headers=_bearer(self.access))

    async def cast(self, text: str = "Bong", **more: Any) -> str:
        return (await self.post("containers", text=text, **more)).json()["id"]

    async def cast_file(self, data: bytes, **form: str) -> str:
        files = {"file": ("bell.png", data, "image/png")}
        answer = await self.http.post("/foundry/v1/containers", data=form, files=files, headers=_bearer(self.access))
        return answer.json()["id"]

    async def status(self, container: str) -> tuple[str, str | None]:
        found = (await self.get(f"containers/{container}")).json()
        return found["status"], found.get("error")

    async def publish(self, container: str) -> httpx.Response:
        return await self.post("publish", container=container)

    async def listed(self) -> list[str]:
        return [post["text"] for post in (await self.get("posts")).json()["posts"]]

    async def quirk(self, quirk: str, **more: Any) -> None:
        answer = await self.http.post("/api/quirks", json={"platform": "foundry", "quirk": quirk, "account": "you", **more})
        assert answer.status_code == 201, answer.text


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def http(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an empty sandbox."""
    transport = httpx.ASGITransport(create_sandbox(clock=clock, dates=True))
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox.test") as client:
        yield client


@pytest.fixture
async def pds(http: httpx.AsyncClient) -> Pds:
    pds = Pds(http)
    await pds.sign_in()
    return pds


@pytest.fixture
async def instance(http: httpx.AsyncClient) -> Instance:
    return await _connected(Instance(http))


@pytest.fixture
async def keyless(http: httpx.AsyncClient) -> Instance:
    return await _connected(Instance(http, "keyless"))


async def _connected(instance: Instance) -> Instance:
    await instance.register()
    await instance.exchange(await instance.code())
    return instance


@pytest.fixture
async def founder(http: httpx.AsyncClient) -> Founder:
    founder = Founder(http)
    await founder.sign_in()
    return founder
