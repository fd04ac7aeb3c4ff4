import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from platforms.base import Candidate, Consent, Tokens
from platforms.bluesky.adapter import Bluesky
from platforms.bluesky.connect import AppPassword, lasting
from platforms.errors import RateLimited, Rejected, Unavailable
from tests.unit.platforms.bluesky.fake_pds import DID, PASSWORD, SERVER, FakePds, refused


@pytest.fixture
async def http(pds: FakePds) -> AsyncIterator[httpx.AsyncClient]:
    async with pds.client() as client:
        yield client


async def consent(http: httpx.AsyncClient, **answers: str) -> Consent:
    return await AppPassword().connect(http, {"handle": "alice.test", "password": PASSWORD, "server": SERVER} | answers)


async def connect(http: httpx.AsyncClient, **answers: str) -> Candidate:
    [account] = (await consent(http, **answers)).candidates
    return account


async def test_an_app_password_becomes_tokens_and_is_forgotten(http: httpx.AsyncClient) -> None:
    given = await consent(http)
    [account] = given.candidates
    assert (given.server, given.subject, account.remote_id, account.handle) == (SERVER, DID, DID, "alice.test")
    assert (account.display_name, account.avatar_url) == ("Alice", "https://cdn.test/alice.jpg")
    assert given.tokens == Tokens({"access": "access-1", "refresh": "refresh-1"})
    assert "access-1" not in repr(given)


def jwt(claims: object) -> str:
    return f"e30.{urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.signature"


async def test_tokens_say_when_they_are_to_be_renewed_and_when_they_end(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.access, pds.refresh = jwt({"exp": 1_800_000_000}), jwt({"exp": 1_808_000_000})
    tokens = (await consent(http)).tokens
    assert tokens.refresh_at == datetime(2027, 1, 15, 7, 50, tzinfo=UTC)
    assert tokens.expires_at == datetime(2027, 4, 17, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "odd", ["", "a.b", "a.!.c", jwt([]), jwt({}), jwt({"exp": "soon"}), jwt({"exp": 10**30}), jwt({"exp": None})]
)
def test_a_token_that_says_nothing_of_its_end_has_none(odd: str) -> None:
    assert lasting({"access": odd, "refresh": odd}) == Tokens({"access": odd, "refresh": odd})


async def test_the_account_lives_where_its_did_document_says(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.pds_endpoint = "https://mushroom.host.test/"
    account = await consent(http)
    assert account.server == "https://mushroom.host.test"
    assert pds.asked_hosts == ["pds.test", "mushroom.host.test", "mushroom.host.test"]


@pytest.mark.parametrize("typed", ["@alice.test", " Alice.Test ", "\u202aalice.test\u202c"])
async def test_a_handle_is_taken_as_people_paste_it(http: httpx.AsyncClient, typed: str) -> None:
    assert (await connect(http, handle=typed)).remote_id == DID


@pytest.mark.parametrize("typed", ["pds.test", "https://pds.test/", "https://someone:secret@pds.test/?query#x", " pds.test "])
async def test_a_server_is_taken_as_people_type_it(http: httpx.AsyncClient, typed: str) -> None:
    assert (await consent(http, server=typed)).server == SERVER


async def test_a_server_may_be_mounted_under_a_path(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.pds_endpoint = "https://pds.test/sandbox/bluesky/"
    assert (await consent(http, server="https://pds.test/sandbox/bluesky/")).server == "https://pds.test/sandbox/bluesky"


async def test_without_a_server_it_is_the_default_one(http: httpx.AsyncClient, pds: FakePds) -> None:
    await connect(http, server="")
    assert pds.asked_hosts[0] == "bsky.social"


@pytest.mark.parametrize("typed", ["ftp://pds.test", "https://", "two words", "https://pds.test:port"])
async def test_what_is_no_server_is_refused_without_asking(http: httpx.AsyncClient, pds: FakePds, typed: str) -> None:
    with pytest.raises(Rejected):
        await connect(http, server=typed)
    assert pds.journal == []


async def test_a_wrong_password_is_said_in_a_sentence(http: httpx.AsyncClient) -> None:
    with pytest.raises(Rejected, match="Handle and app password do not match") as caught:
        await connect(http, password="wrong")
    assert "wrong" not in str(caught.value)


async def test_a_second_factor_leads_to_an_app_password(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.next_reply("createSession", lambda: refused(401, "AuthFactorTokenRequired"))
    with pytest.raises(Rejected, match="Use an app password"):
        await connect(http)


@pytest.mark.parametrize("answer", [httpx.Response(404, html="?"), httpx.Response(200, html="?"), httpx.Response(301)])
async def test_another_kind_of_server_is_recognised(http: httpx.AsyncClient, pds: FakePds, answer: httpx.Response) -> None:
    pds.next_reply("createSession", lambda: answer)
    with pytest.raises(Rejected, match="not the address of a Bluesky server"):
        await connect(http)


async def test_a_server_in_trouble_is_worth_another_try(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.next_reply("createSession", lambda: httpx.Response(503, html="?"))
    with pytest.raises(Unavailable):
        await connect(http)


async def test_too_many_sign_ins_are_told_as_such(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.next_reply("createSession", lambda: refused(429, "RateLimitExceeded"))
    with pytest.raises(RateLimited):
        await connect(http)


async def test_without_an_appview_the_handle_is_the_name(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.profile = None
    account = await connect(http)
    assert (account.display_name, account.avatar_url) == ("alice.test", None)


async def test_a_profile_cannot_bring_a_script(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.profile = {"avatar": "javascript:alert(1)"}
    assert (await connect(http)).avatar_url is None


@pytest.mark.parametrize(
    ("described", "limits"),
    [
        ({}, {}),
        ({"blobUploadLimit": 5_000_000}, {"blob_bytes": 5_000_000}),
        ({"carillon": {"web": "http://localhost:8000/sandbox/"}}, {"web": "http://localhost:8000/sandbox"}),
        ({"carillon": {"web": "javascript:alert(1)"}}, {}),
        ({"carillon": "?", "blobUploadLimit": "?"}, {}),
    ],
)
async def test_what_is_kept_of_the_servers_description(
    http: httpx.AsyncClient, pds: FakePds, described: dict[str, object], limits: dict[str, object]
) -> None:
    pds.described |= described
    assert (await connect(http)).limits == limits


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("deactivated", "This account is deactivated. Activate it in Bluesky first."),
        ("suspended", "Bluesky has suspended this account."),
        ("takendown", "Bluesky has taken this account down."),
        ("deleted", "This account was deleted."),
        ("?", "This account is not active"),
        ("newly invented", "This account is not active"),
    ],
)
async def test_an_account_at_rest_cannot_be_connected(http: httpx.AsyncClient, pds: FakePds, status: str, said: str) -> None:
    pds.inactive = status
    with pytest.raises(Rejected, match=said):
        await connect(http)


async def test_a_server_that_says_nothing_about_activity_is_believed(http: httpx.AsyncClient, pds: FakePds) -> None:
    silent = {"accessJwt": "a", "refreshJwt": "r", "did": DID, "handle": "alice.test"}
    pds.next_reply("createSession", lambda: httpx.Response(200, json=silent))
    assert (await connect(http)).remote_id == DID


@pytest.mark.parametrize("number", [True, False, 0, -1, -(10**30), "5", 5.5, None, [5]])
async def test_a_blob_limit_that_is_none_is_not_kept(http: httpx.AsyncClient, pds: FakePds, number: object) -> None:
    pds.described["blobUploadLimit"] = number
    assert (await connect(http)).limits == {}
    assert Bluesky().capabilities_for({"blob_bytes": number}) == Bluesky.capabilities


async def test_a_blob_limit_beyond_what_any_record_takes_is_kept_smaller(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.described["blobUploadLimit"] = 10**30
    limits = (await connect(http)).limits
    assert limits["blob_bytes"] < 2**63
    assert Bluesky().capabilities_for(limits) == Bluesky.capabilities


async def test_a_profile_is_not_kept_longer_than_a_name_is(http: httpx.AsyncClient, pds: FakePds) -> None:
    pds.profile = {"displayName": "x" * 100_000, "avatar": "https://cdn.test/" + "x" * 100_000}
    account = await connect(http)
    assert (len(account.display_name), account.avatar_url) == (640, None)


@pytest.mark.parametrize("name", [["x"], 7, {"a": 1}, " \n "])
async def test_a_name_that_is_none_is_the_handle(http: httpx.AsyncClient, pds: FakePds, name: object) -> None:
    pds.profile = {"displayName": name}
    assert (await connect(http)).display_name == "alice.test"
