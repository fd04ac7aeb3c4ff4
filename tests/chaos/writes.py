"""What a worker or the web tells the database, read from the wire: which write of the flow it is, and of which delivery."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bson

TOKENS = "tokens saved"
"""The write of an account's new tokens; a flow that needs none does without it."""

NO_NAME, REFUSAL = "no name saved", "refusal saved"
"""The writes of ends that a person has to look at: it is out as nobody knows which post; the network does not want it."""

_OP_MSG = 2013
_HEADER = 16
_WRITES = (b"insert\x00", b"update\x00", b"findAndModify\x00")

Command = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """``name`` as in :data:`DIRECT`, :data:`ASKING`, :data:`CAST` and :data:`LATER`.

    ``about`` are the ids of the post, or of the account or grant, that it belongs to, as far as they are known; of all posts that
    a bulk touches. ``size``: how many changes it is made of.
    """

    name: str
    about: frozenset[str]
    size: int = 1


def read_command(message: bytes) -> Command | None:
    """The write command in one message; ``None`` for anything else. Document sequences become lists (MongoDB wire protocol)."""
    (opcode,) = struct.unpack_from("<i", message, 12)
    at = _HEADER + 4
    if opcode != _OP_MSG or message[at] != 0 or not message.startswith(_WRITES, at + 6):
        return None
    (size,) = struct.unpack_from("<i", message, at + 1)
    command: dict[str, Any] = bson.decode(message[at + 1 : at + 1 + size])
    at += 1 + size
    while at < len(message) and message[at] == 1:
        (size,) = struct.unpack_from("<i", message, at + 1)
        name, _, documents = message[at + 5 : at + 1 + size].partition(b"\x00")
        command[name.decode()] = bson.decode_all(documents)
        at += 1 + size
    return command


def half(message: bytes) -> bytes:
    """A bulk of updates without the second half of them. Its updates are the document sequence behind the command."""
    begin = _HEADER + 5 + struct.unpack_from("<i", message, _HEADER + 5)[0]
    name, _, documents = message[begin + 5 :].partition(b"\x00")
    updates = bson.decode_all(documents)
    kept = name + b"\x00" + b"".join(map(bson.encode, updates[: len(updates) // 2]))
    body = message[4:begin] + b"\x01" + struct.pack("<i", len(kept) + 4) + kept
    return struct.pack("<i", len(body) + 4) + body


@dataclass
class Reader:
    """Names writes, and remembers which delivery belongs to which post."""

    _posts: dict[str, str] = field(default_factory=dict)

    def understand(self, message: bytes) -> Write | None:
        """The write in ``message``, if it is one of the flow."""
        command = read_command(message)
        if command is None:
            return None
        verb, collection = next(iter(command.items()))
        rule = _RULES.get((verb, str(collection)))
        return rule(self, command) if rule else None

    def _post_made(self, command: Command) -> Write:
        return Write("post made", frozenset({str(command["documents"][0]["_id"])}))

    def _post_changed(self, command: Command) -> Write | None:
        change = command["updates"][0]
        settled = "settling_at" in change["u"].get("$set", {})
        return Write("post settled", frozenset({str(change["q"].get("_id"))})) if settled else None

    def _delivery_made(self, command: Command) -> Write:
        made = command["documents"][0]
        self._posts[str(made["_id"])] = str(made["post_id"])
        return Write("delivery made", frozenset({str(made["post_id"])}))

    def _tokens_saved(self, command: Command) -> Write | None:
        """Whether accounts or grants keep the tokens, and by which command, is no matter."""
        query, change = _changes(command)[0]
        return Write(TOKENS, frozenset({str(query.get("_id"))})) if "sealed" in change.get("$set", {}) else None

    def _moved(self, command: Command) -> Write | None:
        """One delivery, or a bulk of them: those make the same move."""
        changes = _changes(command)
        name = _move_name(*changes[0])
        about = frozenset(self._posts.get(str(query.get("_id")), "") for query, _ in changes)
        return Write(name, about, len(changes)) if name else None


def _changes(command: Command) -> list[tuple[Command, Command]]:
    """What is looked for, and what is done to it."""
    if "updates" in command:
        return [(one["q"], one["u"]) for one in command["updates"]]
    return [(command["query"], command["update"])]


def _move_name(query: Command, change: Command) -> str | None:
    changes = change.get("$set", {})
    match str(query.get("state")), changes.get("state"):
        case "publishing", "publishing":
            return "fenced" if "fenced_at" in changes else "upload saved"
        case "unconfirmed" | "processing" as state, becomes if state == becomes and "checks" in change.get("$inc", {}):
            return "look claimed"
        case "unconfirmed" | "processing", "unconfirmed":
            return NO_NAME if changes.get("undecidable") else None
        case _, "failed":
            return REFUSAL
        case move:
            return _MOVES.get(move)


_MOVES: dict[tuple[str, str | None], str] = {
    ("scheduled", "queued"): "queued",
    ("queued", "publishing"): "claimed",
    ("publishing", "published"): "receipt saved",
    ("publishing", "unconfirmed"): "doubt saved",
    ("publishing", "scheduled"): "put back",
    ("publishing", "processing"): "processing saved",
    ("processing", "published"): "finding saved",
    ("unconfirmed", "published"): "finding saved",
}

_RULES: dict[tuple[str, str], Callable[[Reader, Command], Write | None]] = {
    ("insert", "posts"): Reader._post_made,
    ("update", "posts"): Reader._post_changed,
    ("insert", "deliveries"): Reader._delivery_made,
    ("findAndModify", "accounts"): Reader._tokens_saved,
    ("update", "accounts"): Reader._tokens_saved,
    ("findAndModify", "grants"): Reader._tokens_saved,
    ("update", "grants"): Reader._tokens_saved,
    ("findAndModify", "deliveries"): Reader._moved,
    ("update", "deliveries"): Reader._moved,
}

TOGETHER = ("queued", "claimed", "fenced", "receipt saved")
"""The writes that change all deliveries of a batch by one command."""

DIRECT = ("post made", "delivery made", "post settled", "queued", "claimed", "upload saved", "fenced", "receipt saved")
"""The writes of a publication that goes well, in order."""

ASKING = ("doubt saved", "look claimed", "finding saved")
"""The writes that follow an answer that proves nothing."""

CAST = ("put back",)
"""The write that follows when the network is still preparing it, or takes nothing more today."""

LATER = ("processing saved", "look claimed", "finding saved")
"""The writes that follow when the network has accepted it and cannot name it yet."""
