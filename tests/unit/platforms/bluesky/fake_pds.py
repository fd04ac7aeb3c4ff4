"""A personal data server in memory, with state and a real one's answers, and a checkpoint that outlives an attempt."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from platforms.bluesky import lexicon

DID = "did:plc:alice"
HANDLE = "alice.test"
SERVER = "https://pds.test"
DUE = datetime(2026, 9, 20, 8, 15, 0, 123456, tzinfo=UTC)
PASSWORD = "abcd-efgh-ijkl-mnop"
FILM = {"$type": "blob", "ref": {"$link": "bafkreifilm"}, "mimeType": "video/mp4", "size": 4321}
Reply = Callable[[], httpx.Response]


def refused(status: int, error: str, message: str = "", headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json={"error": error, "message": message}, headers=headers)


class FakePds:
    """``journal`` lists the calls in order; a test's checkpoint writes its fence and saves into the same list."""

    def __init__(self) -> None:
        self.journal: list[str] = []
        self.blobs: dict[str, tuple[str, bytes]] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.people = {HANDLE: DID, "bob.test": "did:plc:bob"}
        self.access, self.refresh = "access-1", "refresh-1"
        self.profile: dict[str, Any] | None = {"displayName": "Alice", "avatar": "https://cdn.test/alice.jpg"}
        self.described: dict[str, Any] = {"did": "did:web:pds.test", "availableUserDomains": [".test"]}
        self.pds_endpoint = SERVER
        self.inactive: str | None = None
        self.asked_hosts: list[str] = []
        self.films: list[bytes] = []
        self.upload_limits: dict[str, Any] = {"canUpload": True}
        self.job: dict[str, Any] = {"state": "JOB_STATE_COMPLETED", "blob": FILM}
        self.video_requests: list[httpx.Request] = []
        self._scripted: dict[str, list[Reply]] = defaultdict(list)
        self._lost: set[str] = set()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def next_reply(self, method: str, reply: Reply) -> None:
        """Answer the next call of ``method`` with ``reply`` instead; it may raise. Nothing is carried out."""
        self._scripted[method].append(reply)

    def lose_next_reply(self, method: str) -> None:
        """Carry out the next call of ``method``, but break the connection instead of answering."""
        self._lost.add(method)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.rsplit(".", 1)[-1]
        self.journal.append(method)
        self.asked_hosts.append(request.url.host)
        if self._scripted[method]:
            return self._scripted[method].pop(0)()
        answer: httpx.Response = getattr(self, f"_{method}")(request)
        if method in self._lost:
            self._lost.remove(method)
            raise httpx.ReadTimeout("no answer", request=request)
        return answer

    def _authorized(self, request: httpx.Request, token: str) -> httpx.Response | None:
        given = request.headers.get("Authorization", "")
        if given == f"Bearer {token}":
            return None
        if not given:
            return refused(401, "AuthMissing", "Authentication Required")
        return refused(400, "ExpiredToken", "Token has expired")

    def _createSession(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if self.people.get(body["identifier"]) != DID or body["password"] != PASSWORD:
            return refused(401, "AuthenticationRequired", "Invalid identifier or password")
        service = {"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": self.pds_endpoint}
        return httpx.Response(200, json=self._session() | {"didDoc": {"id": DID, "service": [service]}})

    def _refreshSession(self, request: httpx.Request) -> httpx.Response:
        if refusal := self._authorized(request, self.refresh):
            return refusal
        if request.content or "Content-Type" in request.headers:
            return refused(400, "InvalidRequest", "A request body was provided when none was expected")
        self.access, self.refresh = self.access + "+", self.refresh + "+"
        return httpx.Response(200, json=self._session())

    def _session(self) -> dict[str, Any]:
        return {"accessJwt": self.access, "refreshJwt": self.refresh, "did": DID, "handle": HANDLE, **self._activity()}

    def _activity(self) -> dict[str, Any]:
        """``inactive`` is the status of an account at rest; ``"?"`` is one that the server does not explain."""
        if self.inactive is None:
            return {"active": True}
        return {"active": False} | ({"status": self.inactive} if self.inactive != "?" else {})

    def _getRepoStatus(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"did": request.url.params["did"], **self._activity()})

    def _getProfile(self, request: httpx.Request) -> httpx.Response:
        if self.profile is None:
            return refused(502, "UpstreamFailure", "Upstream service unreachable")
        return httpx.Response(200, json={"did": DID, "handle": HANDLE} | self.profile)

    def _describeServer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=self.described)

    def _resolveHandle(self, request: httpx.Request) -> httpx.Response:
        did = self.people.get(request.url.params["handle"])
        if did is None:
            return refused(400, "InvalidRequest", "Unable to resolve handle")
        return httpx.Response(200, json={"did": did})

    def _uploadBlob(self, request: httpx.Request) -> httpx.Response:
        if refusal := self._authorized(request, self.access):
            return refusal
        cid = f"bafkrei{len(self.blobs):052}"
        mime = request.headers["Content-Type"]
        self.blobs[cid] = (mime, request.content)
        blob = {"$type": "blob", "ref": {"$link": cid}, "mimeType": mime, "size": len(request.content)}
        return httpx.Response(200, json={"blob": blob})

    # The video service, which has a host of its own, and the token that leads there.

    def _getServiceAuth(self, request: httpx.Request) -> httpx.Response:
        if refusal := self._authorized(request, self.access):
            return refusal
        asked = request.url.params
        return httpx.Response(200, json={"token": f"{asked['aud']} {asked['lxm']} {asked.get('exp', '')}".strip()})

    def _getUploadLimits(self, request: httpx.Request) -> httpx.Response:
        self.video_requests.append(request)
        return httpx.Response(200, json=self.upload_limits)

    def _uploadVideo(self, request: httpx.Request) -> httpx.Response:
        self.video_requests.append(request)
        self.films.append(request.content)
        return httpx.Response(200, json={"jobId": f"job-{len(self.films)}", "did": DID, "state": "JOB_STATE_CREATED"})

    def _getJobStatus(self, request: httpx.Request) -> httpx.Response:
        self.video_requests.append(request)
        return httpx.Response(200, json={"jobStatus": {"jobId": request.url.params["jobId"], "did": DID} | self.job})

    def _putRecord(self, request: httpx.Request) -> httpx.Response:
        if refusal := self._authorized(request, self.access):
            return refusal
        body = json.loads(request.content)
        assert body["swapRecord"] is None, "only creates"
        if body["rkey"] in self.records:
            return refused(400, "InvalidSwap", "Record was at bafyrei")
        for image in body["record"].get("embed", {}).get("images", []):
            if image["image"]["ref"]["$link"] not in self.blobs:
                return refused(400, "BlobNotFound", "Could not find blob")
        self.records[body["rkey"]] = body["record"]
        return httpx.Response(200, json=self._address(body["rkey"]))

    def _getRecord(self, request: httpx.Request) -> httpx.Response:
        rkey = request.url.params["rkey"]
        if rkey not in self.records:
            return refused(400, "RecordNotFound", "Could not locate record")
        return httpx.Response(200, json=self._address(rkey) | {"value": self.records[rkey]})

    def _address(self, rkey: str) -> dict[str, str]:
        return {"uri": f"at://{DID}/{lexicon.POST}/{rkey}", "cid": "bafyreiabcdefgh"}


class SavedCheckpoint:
    """Keeps what is saved and writes every call into the server's journal."""

    def __init__(self, journal: list[str]) -> None:
        self.saved: dict[str, Any] = {}
        self.first_sent_at: datetime | None = None
        self._journal = journal

    async def save(self, **data: Any) -> None:
        self.saved |= data
        self._journal.append("save")

    async def progress(self, **data: Any) -> None:
        await self.save(**data)

    async def fence(self) -> None:
        self._journal.append("fence")
