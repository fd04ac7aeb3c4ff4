"""A person without JavaScript: reads pages, fills in their forms, follows redirects."""

import asyncio
import re
import time
from types import TracebackType
from typing import Self

import httpx

TOKEN = "a token of the tests"
ID = re.compile(r"[0-9a-f]{28}")


class Visitor:
    """One browser session over plain HTTP."""

    def __init__(self, url: str) -> None:
        self.http = httpx.AsyncClient(base_url=url, follow_redirects=True, timeout=30)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self.http.aclose()

    async def submit(self, path: str, *, page: str | None = None, **fields: str | list[str]) -> httpx.Response:
        """Open ``page`` (or ``path``), and send its form with the CSRF token that is in it."""
        text = (await self.http.get(page or path)).text
        token = re.search(r'name="_csrf_token" value="([^"]+)"', text)
        assert token is not None, text[:500]
        return await self.http.post(path, data={"_csrf_token": token.group(1), **fields})

    async def set_up(self) -> None:
        """First visit: owner, workspace, sandbox networks."""
        answers = {"name": "Alice", "email": "alice@example.org", "password": "a long enough phrase"}
        made = await self.submit("/setup", **answers, workspace_name="Bells", zone="UTC", **await self._token())
        assert made.status_code == httpx.codes.OK, made.text
        connected = await self.submit("/accounts/sandbox", page="/accounts")
        assert connected.status_code == httpx.codes.OK, connected.text

    async def _token(self) -> dict[str, str]:
        page = (await self.http.get("/setup")).text
        return {"token": TOKEN} if 'name="token"' in page else {}

    async def publish(self, text: str, *, only: list[str] | None = None, **fields: str) -> str:
        """Publish ``text`` on every account, or ``only`` some. ``fields`` replace the form's. The post's address."""
        page = (await self.http.get("/compose")).text
        accounts = ID.findall("".join(re.findall(r'<input[^>]*name="account"[^>]*>', page)))
        nonce = re.search(r'name="nonce" value="([^"]+)"', page)
        assert accounts, page[:500]
        assert nonce is not None, page[:500]
        form = {"text": text, "nonce": nonce.group(1), "action": "now", "zone": "UTC", **fields}
        answer = await self.submit("/compose", account=only or accounts, **form)
        assert "/posts/" in str(answer.url), answer.text
        return str(answer.url.path)

    async def waits_for(self, path: str, words: str, *, times: int = 1, seconds: float = 60) -> str:
        """Reload a page until ``words`` are on it ``times`` times; the page."""
        deadline = time.monotonic() + seconds
        while True:
            page = (await self.http.get(path)).text
            if page.count(words) >= times:
                return page
            assert time.monotonic() < deadline, f"{words!r} never appeared:\n{page}"
            await asyncio.sleep(0.1)
