from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from platforms.base import Authorization, Consent, Tokens
from platforms.errors import ContentRejected, Misconfigured, Rejected, Unavailable
from platforms.mastodon.server import origin
from platforms.oauth import NO_CONSENT, challenge
from tests.unit.platforms.mastodon.instance import ACCOUNT, ORIGIN, TOKEN, Scene, reply

RETURN = "https://carillon.example/connect/mastodon"
APP = {"client_id": "client-1", "client_secret": "secret-1"}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("mastodon.social", "https://mastodon.social"),
        ("  Mastodon.Social ", "https://mastodon.social"),
        ("https://mastodon.social/", "https://mastodon.social"),
        ("https://mastodon.social/@me", "https://mastodon.social"),
        ("https://mastodon.social/@me@other.example/1", "https://mastodon.social"),
        ("mastodon.social/@me", "https://mastodon.social"),
        ("@me@mastodon.social", "https://mastodon.social"),
        ("me@mastodon.social", "https://mastodon.social"),
        ("mastodon.social:443", "https://mastodon.social"),
        ("mastodon.social:8443", "https://mastodon.social:8443"),
        ("https://münchen.social", "https://xn--mnchen-3ya.social"),
        ("http://127.0.0.1:8000/sandbox/mastodon", "http://127.0.0.1:8000/sandbox/mastodon"),
        ("http://localhost:8000/sandbox/mastodon/", "http://localhost:8000/sandbox/mastodon"),
        ("http://web:8000/sandbox/mastodon", "http://web:8000/sandbox/mastodon"),
        ("https://example.org/social?x=1#y", "https://example.org/social"),
    ],
)
def test_a_server_is_recognised_however_it_is_typed(typed: str, expected: str) -> None:
    assert origin(typed) == expected


@pytest.mark.parametrize(
    "typed",
    ["", "   ", "@", "@me", "word", "ftp://a.example", "https://", "https://me:pw@a.example", "a b.example",
     "a.example:port", "https://a..example", "javascript://a.example", "https://@me@a.example"],
)  # fmt: skip
def test_what_names_no_server_is_rejected_before_anything_is_sent(typed: str) -> None:
    with pytest.raises(Rejected):
        origin(typed)


@pytest.mark.parametrize("typed", ["http://mastodon.social", "http://8.8.8.8"])
def test_a_public_server_must_be_reached_encrypted(typed: str) -> None:
    with pytest.raises(Rejected) as caught:
        origin(typed)
    assert caught.value.code == "not_encrypted"


async def test_registering_returns_the_server_and_our_credentials_there(scene: Scene) -> None:
    connector = scene.mastodon.connector
    registered = await connector.register(scene.session.http, {"server": "@me@bell.example"}, redirect_uri=RETURN)
    assert registered == (ORIGIN, APP)
    form = parse_qs(scene.server.requests[0].content.decode())
    assert form["client_name"] == ["Carillon"]
    assert form["redirect_uris"] == [RETURN]
    assert form["scopes"] == ["read:accounts read:statuses write:statuses write:media"]


@pytest.mark.parametrize(
    ("answer", "leaf"),
    [
        (httpx.Response(404, text="<html>nothing here"), ContentRejected),
        (httpx.Response(200, text="<html>a shop"), ContentRejected),
        (httpx.Response(200, json=["a list"]), ContentRejected),
        (httpx.Response(301, headers={"Location": "https://elsewhere.example"}), ContentRejected),
        (httpx.Response(502), Unavailable),
        (httpx.ConnectError("no such host"), Unavailable),
    ],
)
async def test_a_failed_registration_says_whether_the_name_is_wrong(
    scene: Scene, answer: httpx.Response | Exception, leaf: type[Exception]
) -> None:
    scene.server.fails("POST", "/api/v1/apps", answer)
    with pytest.raises(leaf):
        await scene.mastodon.connector.register(scene.session.http, {"server": "bell.example"}, redirect_uri=RETURN)


async def started(scene: Scene, state: str = "s") -> Authorization:
    return await scene.mastodon.connector.begin(scene.session.http, ORIGIN, APP, answers={}, redirect_uri=RETURN, state=state)


async def test_the_consent_page_gets_the_challenge_and_we_keep_the_verifier(scene: Scene) -> None:
    begun = await started(scene, "s+t&a=te")
    address, query = urlsplit(begun.url), parse_qs(urlsplit(begun.url).query)
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{ORIGIN}/oauth/authorize"
    assert query["state"] == ["s+t&a=te"]
    assert query["redirect_uri"] == [RETURN]
    assert query["code_challenge_method"] == ["S256"]
    assert query["code_challenge"] == [challenge(begun.secret["verifier"])]
    assert begun.secret["verifier"] not in begun.url
    assert begun.secret["verifier"] not in repr(begun)


def test_the_challenge_is_the_one_of_the_standard() -> None:
    verifier, expected = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert challenge(verifier) == expected  # RFC 7636, appendix B


async def test_every_start_has_its_own_verifier(scene: Scene) -> None:
    first, second = await started(scene), await started(scene)
    assert first.secret != second.secret
    assert 43 <= len(first.secret["verifier"]) <= 128  # RFC 7636, 4.1


async def exchange(scene: Scene, app: dict[str, str] = APP, **query: str) -> Consent:
    query = query or {"code": "code-1"}
    return await scene.mastodon.connector.exchange(
        scene.session.http, ORIGIN, app, redirect_uri=RETURN, secret={"verifier": "v" * 43}, query=query
    )


@pytest.mark.parametrize("query", [{"error": "access_denied", "code": "code-1"}, {"state": "s"}, {"code": ""}])
async def test_a_person_who_said_no_is_not_asked_for_a_token(scene: Scene, query: dict[str, str]) -> None:
    with pytest.raises(Rejected) as refusal:
        await exchange(scene, **query)
    assert refusal.value.message == NO_CONSENT
    assert scene.server.requests == []


async def test_a_code_becomes_an_account_with_its_limits(scene: Scene) -> None:
    scene.server.codes["code-1"] = {}
    scene.server.instance = {"domain": "example", "configuration": {"statuses": {"max_characters": 5000}}}
    consent = await exchange(scene)
    [connected] = consent.candidates
    assert (consent.server, consent.subject, connected.remote_id) == (ORIGIN, ACCOUNT, ACCOUNT)
    assert (connected.handle, connected.display_name) == ("alice@example", "Alice")
    assert connected.avatar_url == "https://bell.example/a.png"
    assert consent.tokens == Tokens({"access": TOKEN})
    assert connected.limits["max_characters"] == 5000
    assert TOKEN not in repr(consent)


async def test_the_verifier_goes_with_the_code(scene: Scene) -> None:
    scene.server.codes["code-1"] = {}
    scene.server.instance = {"domain": "example"}
    await exchange(scene)
    assert parse_qs(scene.server.requests[0].content.decode())["code_verifier"] == ["v" * 43]


async def test_a_code_works_once(scene: Scene) -> None:
    scene.server.codes["code-1"] = {}
    scene.server.instance = {"domain": "example"}
    await exchange(scene)
    with pytest.raises(Rejected):
        await exchange(scene)


async def test_a_foreign_code_is_rejected(scene: Scene) -> None:
    with pytest.raises(Rejected) as caught:
        await exchange(scene, code="stolen")
    assert "stolen" not in caught.value.message


async def test_a_server_that_forgot_our_registration_is_told_apart(scene: Scene) -> None:
    with pytest.raises(Misconfigured) as caught:
        await exchange(scene, app={**APP, "client_secret": "of an older registration"})
    assert caught.value.code == "invalid_client"


async def test_an_address_that_is_no_web_address_is_not_taken_as_avatar(scene: Scene) -> None:
    scene.server.codes["code-1"] = {}
    scene.server.instance = {"domain": "example"}
    profile = reply(200, id=ACCOUNT, username="alice", avatar="javascript:alert(1)")
    scene.server.fails("GET", "/api/v1/accounts/verify_credentials", profile)
    [connected] = (await exchange(scene)).candidates
    assert connected.avatar_url is None
    assert connected.display_name == "alice"


async def test_a_profile_without_an_id_connects_nothing(scene: Scene) -> None:
    scene.server.codes["code-1"] = {}
    scene.server.fails("GET", "/api/v1/accounts/verify_credentials", reply(200, username="alice"))
    with pytest.raises(Unavailable):
        await exchange(scene)
