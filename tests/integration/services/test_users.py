"""People: one owner, and sessions that are good for as long as they should be."""

import asyncio
from datetime import timedelta

import pytest

from app.errors import Invalid
from app.models import LoginSession, Member, Role, User, Workspace, now
from app.services.people import users
from tests.integration.services.world import World, documents, put

PASSWORD = "ring the old bells"
ALICE = {
    "email": " Alice@Example.org ",
    "name": "Alice",
    "password": PASSWORD,
    "workspace_name": "Bells",
    "zone": "Europe/Berlin",
}


@pytest.fixture
async def nobody(world: World) -> None:
    """An installation that was never used."""
    for model in (User, Workspace, Member):
        await model.find({}).delete()


@pytest.mark.usefixtures("nobody")
async def test_the_owner_can_sign_in_and_is_known_by_the_token() -> None:
    assert not await users.any_exists()
    owner = await users.create_owner(**ALICE)
    assert await users.any_exists()
    identity = await users.identify(await users.sign_in("ALICE@example.org", PASSWORD))
    assert identity is not None
    assert (identity.user, identity.role, identity.workspace.name) == (owner, Role.OWNER, "Bells")
    assert (owner.email, identity.workspace.zone) == ("alice@example.org", "Europe/Berlin")


@pytest.mark.usefixtures("nobody")
async def test_a_second_owner_is_refused() -> None:
    await users.create_owner(**ALICE)
    with pytest.raises(Invalid):
        await users.create_owner(**{**ALICE, "email": "mallory@example.org"})
    assert [user.email for user in await User.find({}).to_list()] == ["alice@example.org"]
    assert len(await Workspace.find({}).to_list()) == 1


@pytest.mark.usefixtures("nobody")
async def test_of_two_who_set_up_at_the_same_time_one_becomes_the_owner() -> None:
    both = ({**ALICE, "email": f"{name}@example.org"} for name in ("alice", "mallory"))
    tried = await asyncio.gather(*(users.create_owner(**one) for one in both), return_exceptions=True)
    assert sorted(type(one).__name__ for one in tried) == ["Invalid", "User"]
    assert len(await User.find({}).to_list()) == 1


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""),
        ("email", "alice"),
        ("email", "@example.org"),
        ("email", "a lice@example.org"),
        ("name", "  "),
        ("password", "123456789"),
        ("workspace_name", ""),
        ("zone", "Europe/Atlantis"),
    ],
)
async def test_each_wrong_answer_is_named(field: str, value: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await users.create_owner(**{**ALICE, field: value})
    assert set(refusal.value.problems) == {field}
    assert not await users.any_exists()


@pytest.fixture
async def token(nobody: None) -> str:
    """The cookie of Alice's browser."""
    await users.create_owner(**ALICE)
    return await users.sign_in("alice@example.org", PASSWORD)


async def test_an_owner_whose_document_cannot_be_read_is_an_owner_all_the_same(world: World) -> None:
    for user in (world.alice, world.charlie):
        await put(user, name=7)
    assert await users.any_exists()


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(token: str) -> None:
    answers = []
    for email, password in (("alice@example.org", "wrong"), ("bob@example.org", PASSWORD), ("alice@example.org", "")):
        with pytest.raises(Invalid) as refusal:
            await users.sign_in(email, password)
        answers.append(refusal.value.problems)
    assert answers == [{"": "E-mail or password is wrong."}] * 3
    assert len(await LoginSession.find({}).to_list()) == 1


async def test_signing_out_ends_this_browser_and_no_other(token: str) -> None:
    other = await users.sign_in("alice@example.org", PASSWORD)
    await users.sign_out(token)
    await users.sign_out("unknown")
    assert await users.identify(token) is None
    assert await users.identify(other) is not None


async def test_a_session_ends_by_itself(token: str) -> None:
    [session] = await LoginSession.find({}).to_list()
    assert session.expires_at - now() > timedelta(days=users.SESSION_DAYS - 1)
    await put(session, expires_at=now() - timedelta(seconds=1))
    assert await users.identify(token) is None


@pytest.mark.parametrize("made_up", ["", "token", "x" * 10_000])
async def test_a_made_up_token_is_nobodys(token: str, made_up: str) -> None:
    assert await users.identify(made_up) is None


async def test_neither_password_nor_token_can_be_read_in_the_database(token: str) -> None:
    stored = str(await documents())
    assert PASSWORD not in stored
    assert token not in stored


async def test_who_has_no_workspace_any_more_is_nobody(token: str) -> None:
    await Member.find({}).delete()
    assert await users.identify(token) is None
