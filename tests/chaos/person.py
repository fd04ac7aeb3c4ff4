"""The person at the dashboard, without a browser: fills in Carillon's own forms over HTTP."""

import asyncio
import io
import re
import secrets
from dataclasses import dataclass
from typing import Any, Self

import httpx
from PIL import Image

from app.ids import Id
from tests.chaos.installation import TOKEN, Installation
from tests.chaos.networks import KNOWN

_STATUSES = ("draft", "needs you", "publishing", "scheduled", "partly published", "published", "canceled", "failed")
_LOST = (httpx.TransportError, httpx.HTTPStatusError)


@dataclass(frozen=True, slots=True)
class Profile:
    """A connected account: ``id`` is ours, ``remote_id`` the network's."""

    id: str
    remote_id: str
    network: str
    handle: str


class Refused(Exception):
    """A page came back instead of a redirect; it holds the reason."""

    def __init__(self, path: str, answer: httpx.Response) -> None:
        super().__init__(f"{path}: {answer.status_code}: {_words(answer.text)}")
        self.status = answer.status_code


class Person:
    """Signed in once; every form carries the token of the first page."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._http = httpx.AsyncClient(base_url=installation.web.url, timeout=30)
        self._token = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def set_up(self) -> None:
        """The first visit: owner and workspace."""
        page = await self._http.get("/setup")
        self._token = _field(page.text, "_csrf_token")
        answers = {"name": "Alice", "email": "alice@example.org", "password": "a long enough phrase", "token": TOKEN}
        await self._send("/setup", {**answers, "workspace_name": "Bells", "zone": "UTC"})

    async def connect(self, network: str, handle: str) -> Profile:
        """Connect the sandbox account ``handle``; it comes into being with that."""
        platform, server = KNOWN[network].platform, KNOWN[network].server
        remote = await self._installation.judge.post("/accounts", json={"platform": server, "handle": handle})
        await self.sign_in(network, handle)
        query = {"platform": platform, "remote_id": remote.json()["id"], "server": self._installation.addresses[network]}
        found = await self._installation.database.accounts.find_one(query)
        return Profile(found["_id"], found["remote_id"], network, handle)

    async def sign_in(self, network: str, handle: str) -> None:
        """Connect, or connect again: with a password, or through the network's consent page."""
        known = KNOWN[network]
        answers = {"server": self._installation.addresses[network], **known.answers(handle)}
        sent = await self._send(f"/accounts/connect/{known.platform}", answers)
        if known.consents:
            consent = httpx.URL(sent.headers["location"])
            form = {**consent.params, "username": handle}
            allowed = await self._http.post(consent.copy_with(query=None), data=form)
            callback = httpx.URL(allowed.headers["location"])
            await self._http.get(callback.raw_path.decode())

    async def disconnect(self, profile: Profile) -> None:
        """Press *Disconnect* on the accounts' page."""
        await self._insist(f"/accounts/{profile.id}/disconnect", {})

    async def publish(self, post_id: str, fields: dict[str, str], *, picture: bool) -> None:
        """Send the composer's form; after an error again, as the same post."""
        fields = {"nonce": post_id, **fields}
        files = {"images": ("bell.png", _picture(), "image/png")} if picture else None
        await self._insist("/compose", fields, files)

    async def bring(self, film: bytes) -> str:
        """Put a film into the storage as the composer's page does; the file's id."""
        begun = await self._asked("/media/uploads", {"name": "bells.mp4", "type": "video/mp4", "size": len(film)})
        put = await self._http.put(begun["put"]["url"], content=film, headers=begun["put"]["headers"])
        put.raise_for_status()
        told = await self._asked(f"/media/uploads/{begun['id']}/confirm", None)
        assert told["state"] == "ready", told
        return str(told["id"])

    async def _asked(self, path: str, sent: Any) -> dict[str, Any]:
        answer = await self._http.post(path, json=sent, headers={"X-CSRFToken": self._token})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def form(self, path: str) -> dict[str, str]:
        """What a browser would send back of the page at ``path`` without anybody having typed: its hidden fields."""
        page = await self._http.get(path)
        page.raise_for_status()
        found = [dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in re.findall(r'<input type="hidden"[^>]*>', page.text)]
        return {tag["name"]: tag["value"] for tag in found if tag.get("name") not in (None, "media", "_csrf_token")}

    async def press(self, path: str, fields: dict[str, str]) -> int:
        """Send a form once, whatever comes of it; the status of the answer."""
        answer = await self._http.post(path, data={"_csrf_token": self._token, **fields})
        return answer.status_code

    async def reads(self, post_id: str) -> str:
        """The status in words on the post's page."""
        page = await self._http.get(f"/posts/{post_id}")
        shown = _words(page.text.partition('id="status"')[2].partition(">")[2]).lower()
        found = [(shown.index(word), word) for word in _STATUSES if word in shown]
        return min(found)[1] if found else shown[:40]

    async def send_again(self, post_id: str, delivery_id: str) -> None:
        """Press *Send again*."""
        await self._insist(f"/posts/{post_id}/deliveries/{delivery_id}/send-again", {})

    async def paste(self, post_id: str, delivery_id: str, address: str) -> None:
        """Say that the post is the one at ``address``."""
        await self._insist(f"/posts/{post_id}/deliveries/{delivery_id}/confirm", {"url": address})

    async def _insist(self, path: str, fields: dict[str, str], files: Any = None) -> None:
        """Press again while no answer comes. That the form was taken before is one as well: the page shows what is saved."""
        lost = False
        while True:
            try:
                await self._send(path, fields, files)
            except _LOST:
                lost = True
                await asyncio.sleep(0.5)
            except Refused as refused:
                if not lost or refused.status != httpx.codes.CONFLICT:
                    raise
                return
            else:
                return

    async def _send(self, path: str, fields: dict[str, str], files: Any = None) -> httpx.Response:
        """Only a redirect is a success: a page that comes back holds the reason why it was refused."""
        answer = await self._http.post(path, data={"_csrf_token": self._token, **fields}, files=files)
        if answer.is_client_error:
            raise Refused(path, answer)
        if not answer.is_redirect:
            answer.raise_for_status()
        return answer


def new_id() -> str:
    """The id that the composer's page would carry."""
    return str(Id())


def _field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, page[:500]
    return found.group(1)


def _words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())[:2000]


def _picture() -> bytes:
    """A small one that no other post has."""
    file = io.BytesIO()
    Image.frombytes("RGB", (8, 8), secrets.token_bytes(192)).save(file, "PNG")
    return file.getvalue()
