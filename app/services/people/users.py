"""People: the first owner, signing in and out."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from pymongo.errors import DuplicateKeyError

from app.errors import Invalid
from app.ids import Id
from app.models import LoginSession, Member, Role, User, Workspace, now
from app.queries import equal
from app.zones import ZONES

SESSION_DAYS = 30
"""How long a browser stays signed in."""

MIN_PASSWORD = 10
"""Characters; length is what makes a password hard to guess (NIST SP 800-63B asks for 8 at least)."""

_FIRST = Id("0" * 28)
"""The owner's id: of two people who set the installation up at the same moment, the database lets one in."""

_TAKEN = "This installation has an owner already. Please sign in."

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_hex(16))
"""Checked when the address is unknown, so that the answer takes as long as for a known one."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, and in which workspace."""

    user: User
    workspace: Workspace
    role: Role


async def any_exists() -> bool:
    """Whether the installation has an owner already, be the document readable or not."""
    return await User.get_pymongo_collection().find_one({}, {"_id": 1}) is not None


async def create_owner(*, email: str, name: str, password: str, workspace_name: str, zone: str) -> User:
    """Create the first user with a workspace. Raises ``Invalid``; also when there is a user already."""
    email, name, workspace_name = email.strip().lower(), name.strip(), workspace_name.strip()
    _check(email=email, name=name, password=password, workspace_name=workspace_name, zone=zone)
    if await any_exists():
        raise Invalid({"": _TAKEN})
    hashed = await asyncio.to_thread(_hasher.hash, password)
    workspace = await Workspace(name=workspace_name, zone=zone).insert()
    member = await Member(workspace_id=workspace.id, user_id=_FIRST, role=Role.OWNER).insert()
    try:  # last, so that a set-up that was cut off can be done again
        return await User(id=_FIRST, email=email, name=name, password_hash=hashed).insert()
    except DuplicateKeyError:
        await member.delete()
        await workspace.delete()
        raise Invalid({"": _TAKEN}) from None


def _check(*, email: str, name: str, password: str, workspace_name: str, zone: str) -> None:
    problems = {}
    if "@" not in email[1:-1] or any(character.isspace() for character in email):
        problems["email"] = "Write an e-mail address."
    if not name:
        problems["name"] = "Write your name."
    if len(password) < MIN_PASSWORD:
        problems["password"] = f"Use at least {MIN_PASSWORD} characters; a short sentence is fine."
    if not workspace_name:
        problems["workspace_name"] = "Give the workspace a name."
    if zone not in ZONES:
        problems["zone"] = "Choose a time zone from the list."
    if problems:
        raise Invalid(problems)


async def sign_in(email: str, password: str) -> str:
    """A token for the browser's cookie. Raises ``Invalid`` without telling which of the two was wrong."""
    user = await User.find_one(equal(email=email.strip().lower()))
    fits = await asyncio.to_thread(_fits, user.password_hash if user else _NOBODY, password)
    if user is None or not fits:
        raise Invalid({"": "E-mail or password is wrong."})
    token = secrets.token_urlsafe(32)
    expires_at = now() + timedelta(days=SESSION_DAYS)
    await LoginSession(token_hash=_hash(token), user_id=user.id, expires_at=expires_at).insert()
    return token


async def sign_out(token: str) -> None:
    """Forget the browser; an unknown token is fine."""
    await LoginSession.find(equal(token_hash=_hash(token))).delete()


async def identify(token: str) -> Identity | None:
    """Who holds ``token``; ``None`` if it is unknown, expired, or its user has no workspace."""
    member = await membership(token)
    if member is None:
        return None
    user, workspace = await asyncio.gather(User.get(member.user_id), Workspace.get(member.workspace_id))
    return Identity(user, workspace, member.role) if user is not None and workspace is not None else None


async def membership(token: str) -> Member | None:
    """The place that ``token`` opens; ``None`` if it is unknown, expired, or opens none. Half of what :func:`identify` asks."""
    session = await LoginSession.find_one(equal(token_hash=_hash(token)))
    if session is None or session.expires_at < now():
        return None
    return await Member.find_one(equal(user_id=session.user_id))


def _fits(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
