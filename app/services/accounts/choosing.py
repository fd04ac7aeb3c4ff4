"""A consent that covers several profiles waits, sealed, until its person says which of them to connect."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from app import runtime
from app.errors import Invalid
from app.ids import Id
from app.models import PendingChoice, User, Workspace, now, reading
from app.sealing import SealBroken
from platforms.base import Candidate, Consent, Tokens

CHOICE_TIME = timedelta(minutes=30)
"""How long a person may take to choose."""

_GONE = {"": "This was chosen already, was too long ago, or began in another browser. Please connect again."}

MOST = 500
"""Candidates that are offered; an agency's pages are dozens."""


async def keep(workspace: Workspace, user: User, platform: str, consent: Consent) -> PendingChoice:
    """Keep the consent for its person."""
    return await PendingChoice(
        workspace_id=workspace.id,
        user_id=user.id,
        platform=platform,
        sealed=runtime.current().sealer.seal({"consent": _packed(consent)}),
        expires_at=now() + CHOICE_TIME,
    ).insert()


async def look(workspace: Workspace, user: User, choice_id: Id) -> tuple[PendingChoice, Consent]:
    """What there is to choose from. Raises ``Invalid`` for everybody but its person, and when it is too late."""
    pending = await reading.get(PendingChoice, choice_id)
    if pending is None or (pending.workspace_id, pending.user_id) != (workspace.id, user.id) or pending.expires_at < now():
        raise Invalid(_GONE)
    try:
        return pending, _unpacked(runtime.current().sealer.open(pending.sealed)["consent"])
    except SealBroken:
        raise Invalid({"": "The installation's secret key changed. Please connect again."}) from None


async def take(pending: PendingChoice) -> None:
    """It is good once. Raises ``Invalid`` if somebody was faster."""
    if not (await PendingChoice.get_pymongo_collection().delete_one({"_id": pending.id})).deleted_count:
        raise Invalid(_GONE)


def _packed(consent: Consent) -> str:
    candidates = [asdict(candidate) for candidate in consent.candidates[:MOST]]
    tokens, times = consent.tokens, (consent.tokens.expires_at, consent.tokens.refresh_at)
    stored = {"server": consent.server, "subject": consent.subject, "values": dict(tokens.values), "candidates": candidates}
    return json.dumps(stored | {"times": [at and at.isoformat() for at in times]})


def _unpacked(packed: str) -> Consent:
    stored: dict[str, Any] = json.loads(packed)
    expires_at, refresh_at = [datetime.fromisoformat(at) if at else None for at in stored["times"]]
    candidates = tuple(Candidate(**candidate) for candidate in stored["candidates"])
    return Consent(stored["server"], stored["subject"], Tokens(stored["values"], expires_at, refresh_at), candidates)
