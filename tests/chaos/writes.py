"""What a worker or the web tells the database, read from the wire: which write of the flow it is, and of which delivery."""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bson

TOKENS = "tokens saved"
"""The write of an account's new tokens; a flow that needs none does without it."""

_OP_MSG = 2013
_HEADER = 16
_WRITES = (b"insert\x00", b"update\x00", b"findAndModify\x00")

Command = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Write:
    """``name`` as in :data:`NAMES`; ``about`` are the ids of the post and the account it belongs to, as far as they are known."""

    name: str
    about: frozenset[str]


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


@dataclass
class Reader:
    """Names writes, and remembers which delivery and attempt belong to which post."""

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

    def _attempt_noted(self, command: Command) -> Write:
        made = command["documents"][0]
        post = self._posts.get(str(made["delivery_id"]), "")
        self._posts[str(made["_id"])] = post
        return Write("attempt noted" if made["kind"] == "publish" else "look noted", frozenset({post}))

    def _attempt_ended(self, command: Command) -> Write:
        return Write("attempt ended", frozenset({self._posts.get(str(command["updates"][0]["q"]["_id"]), "")}))

    def _account_moved(self, command: Command) -> Write | None:
        """By ``findAndModify``: a turn, or new tokens."""
        if "sealed" in command["update"].get("$set", {}):
            return Write(TOKENS, frozenset({str(command["query"].get("_id"))}))
        taken = "busy_until" in command["update"].get("$set", {})
        return Write("turn taken", frozenset({str(command["query"]["_id"])})) if taken else None

    def _account_changed(self, command: Command) -> Write | None:
        """By ``update``: the same, and the end of a turn. Whether accounts or grants keep the tokens is no matter."""
        change = command["updates"][0]
        if "sealed" in change["u"].get("$set", {}):
            return Write(TOKENS, frozenset({str(change["q"].get("_id"))}))
        if "busy_with" not in change["q"]:
            return None
        ended = change["u"]["$set"]["busy_until"].year == 1970
        return Write("turn ended" if ended else "turn extended", frozenset({str(change["q"]["_id"])}))

    def _moved(self, command: Command) -> Write | None:
        name = _move_name(
            str(command["query"].get("state")), command["update"].get("$set", {}), command["update"].get("$inc", {})
        )
        return Write(name, frozenset({self._posts.get(str(command["query"]["_id"]), "")})) if name else None


def _move_name(source: str, changes: Command, increase: Command) -> str | None:
    match source, changes.get("state"):
        case "publishing", "publishing":
            return "fenced" if "fenced_at" in changes else "upload saved"
        case "unconfirmed", "unconfirmed":
            return "look claimed" if "checks" in increase else None
        case move:
            return _MOVES.get(move)


_MOVES: dict[tuple[str, str | None], str] = {
    ("scheduled", "queued"): "queued",
    ("queued", "publishing"): "claimed",
    ("publishing", "published"): "receipt saved",
    ("publishing", "unconfirmed"): "doubt saved",
    ("unconfirmed", "published"): "finding saved",
}

_RULES: dict[tuple[str, str], Callable[[Reader, Command], Write | None]] = {
    ("insert", "posts"): Reader._post_made,
    ("update", "posts"): Reader._post_changed,
    ("insert", "deliveries"): Reader._delivery_made,
    ("insert", "attempts"): Reader._attempt_noted,
    ("update", "attempts"): Reader._attempt_ended,
    ("findAndModify", "accounts"): Reader._account_moved,
    ("update", "accounts"): Reader._account_changed,
    ("findAndModify", "grants"): Reader._account_moved,
    ("update", "grants"): Reader._account_changed,
    ("findAndModify", "deliveries"): Reader._moved,
}

DIRECT = (
    "post made",
    "delivery made",
    "post settled",
    "queued",
    "turn taken",
    "claimed",
    "attempt noted",
    "upload saved",
    "turn extended",
    "fenced",
    "receipt saved",
    "attempt ended",
    "turn ended",
)
"""The writes of a publication that goes well, in order."""

ASKING = ("doubt saved", "look claimed", "look noted", "finding saved")
"""The writes that follow an answer that proves nothing."""
