"""Everything the sandbox remembers, in one SQLite database.

One process and one event loop use it: a call is short and is never interrupted by another, so a method is atomic. With a file,
what was accepted survives a kill of the process (write-ahead log; only a power cut could lose the last moments). Who is signed in
is also kept in memory, because every request asks for it.
"""

import base64
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from litestar.serialization import decode_json, encode_json

from platforms.sandbox.values import Account, Blob, Post, Token, Upload

SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
    id TEXT PRIMARY KEY, platform TEXT, handle TEXT, password TEXT, created_at REAL, UNIQUE (platform, handle));
CREATE TABLE IF NOT EXISTS apps (client_id TEXT PRIMARY KEY, facts TEXT);
CREATE TABLE IF NOT EXISTS tokens (
    token TEXT PRIMARY KEY, platform TEXT, kind TEXT, account TEXT, expires_at REAL, facts TEXT);
CREATE TABLE IF NOT EXISTS blobs (
    cid TEXT, account TEXT, mime TEXT, data BLOB, size INTEGER DEFAULT 0, PRIMARY KEY (cid, account));
CREATE TABLE IF NOT EXISTS media (
    id TEXT PRIMARY KEY, account TEXT, cid TEXT, mime TEXT, description TEXT, ready_at REAL, post TEXT);
CREATE TABLE IF NOT EXISTS kept (platform TEXT, id TEXT, facts TEXT, PRIMARY KEY (platform, id));
CREATE TABLE IF NOT EXISTS posts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, platform TEXT, account TEXT, id TEXT, key TEXT, text TEXT, body TEXT,
    media INTEGER, created_at TEXT, accepted_at REAL, deleted INTEGER DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS live_posts ON posts (platform, id) WHERE NOT deleted;
CREATE INDEX IF NOT EXISTS keyed_posts ON posts (platform, account, key);
"""

_SIZES = """
ALTER TABLE blobs ADD COLUMN size INTEGER DEFAULT 0;
UPDATE blobs SET size = length(data);
"""
"""For a database from before sizes were told."""

_ADD_POST = (
    "INSERT INTO posts (platform, account, id, key, text, body, media, created_at, accepted_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_BLOB = "SELECT cid, mime, size, data FROM blobs WHERE cid = ?1 AND account = coalesce(?2, account)"

Key = TypeVar("Key")
Value = TypeVar("Value")
_REMEMBERED = 10_000
"""Accounts, and tokens, that are kept in memory; then it begins anew."""


class Store:
    """The database. ``path=None`` keeps it in memory; ``clock`` answers seconds since the epoch."""

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._snowflake = 0
        self._accounts: dict[tuple[str, str], Account] = {}
        self._tokens: dict[str, Token] = {}
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA)
        if "size" not in {column[1] for column in self._all("PRAGMA table_info(blobs)")}:
            self._db.executescript(_SIZES)

    def _one(self, sql: str, *values: object) -> Any:
        return self._db.execute(sql, values).fetchone()

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._db.execute(sql, values).fetchall()

    def snowflake(self) -> str:
        """A time-ordered id: milliseconds and 16 bits that keep ids of one millisecond apart."""
        self._snowflake = max(self._snowflake + 1, int(self.clock() * 1000) << 16)
        return str(self._snowflake)

    # --- accounts and sign-ins ---

    def add_account(self, platform: str, account_id: str, handle: str, password: str) -> Account:
        """A new account; one with this handle that exists already stays as it is."""
        values = (account_id, platform, handle, password, self.clock())
        self._db.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?, ?, ?, ?)", values)
        return Account(*self._one("SELECT * FROM accounts WHERE platform = ? AND handle = ?", platform, handle))

    def account(self, platform: str, name: str) -> Account | None:
        """The account whose id or handle is ``name``."""
        known = self._accounts.get((platform, name))
        if known:
            return known
        row = self._one("SELECT * FROM accounts WHERE platform = ? AND ? IN (id, handle)", platform, name)
        return _remember(self._accounts, (platform, name), Account(*row)) if row else None

    def add_app(self, client_id: str, facts: Mapping[str, Any]) -> None:
        self._db.execute("INSERT INTO apps VALUES (?, ?)", (client_id, _json(facts)))

    def app(self, client_id: str) -> dict[str, Any] | None:
        row = self._one("SELECT facts FROM apps WHERE client_id = ?", client_id)
        return decode_json(row[0]) if row else None

    def issue(self, platform: str, kind: str, account: str, *, lasts: float, **facts: Any) -> str:
        """A new token that is good for ``lasts`` seconds. It has the three parts of a JWT, which some clients insist on."""
        claims = {"sub": account, "iat": int(self.clock()), "exp": int(self.clock() + lasts)}
        parts = [_base64({"typ": "at+jwt", "alg": "HS256"}), _base64(claims), secrets.token_urlsafe(32)]
        token = ".".join(parts)
        values = (token, platform, kind, account, self.clock() + lasts, _json(facts))
        self._db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?)", values)
        return token

    def token(self, platform: str, kind: str, token: str) -> Token | None:
        """The token, run out or not."""
        found = self._tokens.get(token)
        if found is None:
            row = self._one("SELECT * FROM tokens WHERE token = ?", token)
            found = _remember(self._tokens, token, _token(row)) if row else None
        return found if found and (found.platform, found.kind) == (platform, kind) else None

    def tokens(self, platform: str, kind: str, account: str) -> list[Token]:
        """The account's tokens that have not run out."""
        sql = "SELECT * FROM tokens WHERE platform = ? AND kind = ? AND account = ? AND expires_at > ?"
        return [_token(row) for row in self._all(sql, platform, kind, account, self.clock())]

    def amend_token(self, token: str, *, expires_at: float, **facts: Any) -> None:
        self._tokens.pop(token, None)
        self._db.execute(
            "UPDATE tokens SET expires_at = ?, facts = json_patch(facts, ?) WHERE token = ?",
            (expires_at, _json(facts), token),
        )

    def drop_token(self, token: str) -> None:
        self._tokens.pop(token, None)
        self._db.execute("DELETE FROM tokens WHERE token = ?", (token,))

    def expire_access(self, platform: str, account: str | None = None) -> None:
        """Every access token of the network, or of one account there, runs out now; refresh tokens stay good."""
        self._tokens.clear()
        sql = "UPDATE tokens SET expires_at = ? WHERE platform = ? AND account = coalesce(?, account) AND kind = 'access'"
        self._db.execute(sql, (self.clock(), platform, account))

    # --- files ---

    def add_blob(self, account: str, blob: Blob) -> None:
        values = (blob.cid, account, blob.mime, blob.data, blob.size)
        self._db.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)", values)

    def blob(self, cid: str, account: str | None = None) -> Blob | None:
        """The blob, uploaded by ``account`` or by anybody."""
        row = self._one(_BLOB, cid, account)
        return Blob(*row) if row else None

    def give_blob(self, cid: str, holder: str, account: str) -> None:
        """What ``holder`` has kept so far is now ``account``'s; nothing if it has been given away already."""
        self._db.execute("UPDATE OR REPLACE blobs SET account = ? WHERE cid = ? AND account = ?", (account, cid, holder))

    def kind(self, cid: str) -> tuple[str, bool]:
        """The type of a blob, and whether its bytes were kept. Reads none of them."""
        row = self._one("SELECT mime, length(data) > 0 FROM blobs WHERE cid = ?", cid)
        return (str(row[0]), bool(row[1])) if row else ("", False)

    def add_upload(self, upload: Upload) -> None:
        values = (upload.id, upload.account, upload.cid, upload.mime, upload.description, upload.ready_at, upload.post)
        self._db.execute("INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def upload(self, upload_id: str) -> Upload | None:
        row = self._one("SELECT * FROM media WHERE id = ?", upload_id)
        return Upload(*row) if row else None

    # --- what else a network needs to remember ---

    def keep(self, platform: str, kept_id: str, facts: Mapping[str, Any]) -> None:
        """Remember ``facts``, JSON values only, in place of what had this id before."""
        self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (platform, kept_id, _json(facts)))

    def kept(self, platform: str, kept_id: str) -> dict[str, Any] | None:
        """What :meth:`keep` was given last."""
        row = self._one("SELECT facts FROM kept WHERE platform = ? AND id = ?", platform, kept_id)
        return decode_json(row[0]) if row else None

    # --- posts ---

    def add_post(
        self,
        account: Account,
        post_id: str,
        *,
        key: str,
        text: str,
        body: Mapping[str, Any],
        created_at: str,
        media: int = 0,
        uploads: tuple[str, ...] = (),
    ) -> Post:
        """Accept a post and use up its ``uploads``, both or neither. ``sqlite3.IntegrityError`` if the id is taken."""
        accepted_at = self.clock()
        values = (account.platform, account.id, post_id, key, text, _json(body), media, created_at, accepted_at)
        if uploads:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                seq = self._db.execute(_ADD_POST, values).lastrowid
                self._db.executemany("UPDATE media SET post = ? WHERE id = ?", [(post_id, upload) for upload in uploads])
        else:
            seq = self._db.execute(_ADD_POST, values).lastrowid
        known = (account.platform, account.id, post_id, key, text, body, media, created_at, accepted_at)
        return Post(seq or 0, *known, deleted=False)

    def replace_post(self, post: Post, *, text: str, body: Mapping[str, Any], media: int) -> None:
        """Overwrite an accepted post in place; it stays one post."""
        sql = "UPDATE posts SET text = ?, body = ?, media = ? WHERE seq = ?"
        self._db.execute(sql, (text, _json(body), media, post.seq))

    def delete_post(self, post: Post) -> None:
        """Hide it; the judge still lists it."""
        self._db.execute("UPDATE posts SET deleted = 1 WHERE seq = ?", (post.seq,))

    def post(self, platform: str, post_id: str) -> Post | None:
        """The visible post with this id."""
        return self._post("platform = ? AND id = ? AND NOT deleted", platform, post_id)

    def post_by_key(self, platform: str, account: str, key: str, since: float) -> Post | None:
        """The account's last post with this key, deleted or not, that was accepted after ``since``."""
        return self._post("platform = ? AND account = ? AND key = ? AND accepted_at > ?", platform, account, key, since)

    def _post(self, where: str, *values: object) -> Post | None:
        found = self._posts(f"{where} ORDER BY seq DESC LIMIT 1", *values)
        return found[0] if found else None

    def posts(self) -> list[Post]:
        """Everything that was ever accepted, in order."""
        return self._posts("1 ORDER BY seq")

    def count_posts(self, platform: str, account: str, *, since: float) -> int:
        """How many of the account's posts were accepted ``since`` then, deleted ones too."""
        sql = "SELECT count(*) FROM posts WHERE platform = ? AND account = ? AND accepted_at >= ?"
        return int(self._one(sql, platform, account, since)[0])

    def timeline(self, platform: str, account: str | None = None, *, limit: int = 50) -> list[Post]:
        """The visible posts, the newest first."""
        where = "platform = ? AND account = coalesce(?, account) AND NOT deleted ORDER BY seq DESC LIMIT ?"
        return self._posts(where, platform, account, limit)

    def timeline_before(
        self, platform: str, account: str, numeric_id: int, *, limit: int, visibilities: Iterable[str], until: float
    ) -> list[Post]:
        """The next page of :meth:`timeline` on a network with time-ordered ids: what was accepted ``until`` then."""
        where = (
            "platform = ? AND account = ? AND CAST(id AS INTEGER) < ? AND NOT deleted AND accepted_at <= ?"
            " AND json_extract(body, '$.visibility') IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT ?"
        )
        return self._posts(where, platform, account, numeric_id, until, _json([*visibilities]), limit)

    def _posts(self, where: str, *values: object) -> list[Post]:
        rows = self._all(f"SELECT * FROM posts WHERE {where}", *values)  # noqa: S608 -- constant fragments only
        return [_post(row) for row in rows]

    def clear(self) -> None:
        """Forget posts and files. Accounts and their sign-ins stay."""
        for table in ("posts", "media", "blobs", "kept"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 -- the names are above


def _token(row: tuple[Any, ...]) -> Token:
    token, platform, kind, account, expires_at, facts = row
    return Token(token, platform, kind, account, expires_at, decode_json(facts))


def _post(row: tuple[Any, ...]) -> Post:
    seq, platform, account, post_id, key, text, body, media, created_at, accepted_at, deleted = row
    known = (seq, platform, account, post_id, key, text, decode_json(body), media)
    return Post(*known, created_at, accepted_at, bool(deleted))


def _base64(claims: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(encode_json(claims)).decode().rstrip("=")


def _json(value: object) -> str:
    return encode_json(value).decode()


def _remember(known: dict[Key, Value], key: Key, value: Value) -> Value:
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value
    return value
