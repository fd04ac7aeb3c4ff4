"""What became of a record: looked up at the one address where it can be.

``getRecord`` needs no token and knows a write at once. But a server passes it on to an AppView, which lags behind, when it does
not serve the account: one that is deactivated, taken down, or has moved elsewhere. The AppView says that there is no record in
the very same words (seen in PDS 0.5.35), so they count only if the server serves the account, which ``getRepoStatus`` tells.
"""

from platforms.base import Absent, Content, Published, Reference, Session
from platforms.bluesky import lexicon
from platforms.bluesky.address import post_id, web_url
from platforms.bluesky.errors import PLATFORM, not_active
from platforms.bluesky.xrpc import Xrpc
from platforms.errors import ContentRejected, PlatformError, ReconnectNeeded, Rejected, TokenRevoked, UnexpectedReply

NOT_THERE = "RecordNotFound"
_MOVED = "RepoNotFound"
CID = "cid"
"""What a receipt keeps for the posts that answer it."""


async def look(session: Session, content: Content, rkey: str) -> Published | Absent:
    """The receipt of ``content`` at ``rkey``, or the server's own word that nothing is there.

    Raises ``Unavailable`` if it cannot be asked now, ``TokenRevoked`` if it does not serve the account, ``UnexpectedReply`` if
    something else is there or its answer makes no sense.
    """
    server = Xrpc(session.http, session.server)
    try:
        address, record = await server.query(
            lexicon.ids.ComAtprotoRepoGetRecord,
            lexicon.stored,
            repo=session.remote_id,
            collection=lexicon.POST,
            rkey=rkey,
        )
    except (Rejected, ReconnectNeeded) as error:
        await _served(server, session.remote_id)
        if isinstance(error, Rejected) and error.code == NOT_THERE:
            return Absent()
        raise _senseless(error) from error
    if not lexicon.same_post(record, content):
        raise UnexpectedReply(PLATFORM, "other_record", "A different post stands where this one belongs. Look at the profile.")
    return receipt(session, address, rkey)


async def earlier(session: Session, content: Content, rkey: str) -> Published:
    """The server says that the record exists: an earlier attempt succeeded, if it is ours. It is out, so ask, do not repeat."""
    try:
        found = await look(session, content, rkey)
    except PlatformError as error:
        raise UnexpectedReply(PLATFORM, error.code, error.message, status=error.status) from error
    if isinstance(found, Absent):
        raise UnexpectedReply(PLATFORM, NOT_THERE, "The post was there a moment ago and is gone now.")
    return found


def receipt(session: Session, address: lexicon.Address, rkey: str) -> Published:
    """The receipt for the record that the server names. Raises ``UnexpectedReply`` if that is not the one at ``rkey``."""
    if address.uri != post_id(session.remote_id, rkey):
        raise UnexpectedReply(PLATFORM, "other_address", "The server's answer is about another post. Look at the profile.")
    return Published(address.uri, web_url(session.remote_id, rkey, session.limits), {CID: address.cid})


async def reply_to(session: Session, content: Content) -> lexicon.Reply | None:
    """What ``content`` answers, with the versions that a record has to name; ``None`` if it stands by itself."""
    if content.reply_to is None:
        return None
    parent = await _version(session, content.reply_to)
    root = content.root
    return lexicon.Reply(parent, parent if root is None or root == content.reply_to else await _version(session, root))


async def _version(session: Session, reference: Reference) -> lexicon.Address:
    """A receipt that a person confirmed holds no ``cid``: then the server is asked. Raises ``ContentRejected`` if it is gone."""
    if cid := reference.data.get(CID):
        return lexicon.Address(reference.remote_id, cid)
    did, collection, rkey = reference.remote_id.removeprefix("at://").split("/")
    try:
        address, _ = await Xrpc(session.http, session.server).query(
            lexicon.ids.ComAtprotoRepoGetRecord, lexicon.stored, repo=did, collection=collection, rkey=rkey
        )
    except Rejected as error:
        raise ContentRejected(
            PLATFORM, "parent_gone", "The post that this one goes on from is no longer there.", status=error.status
        ) from error
    return address


async def _served(server: Xrpc, did: str) -> None:
    """Raise unless the server itself holds the account's records and shows them."""
    try:
        status = await server.query(lexicon.ids.ComAtprotoSyncGetRepoStatus, lexicon.repo_status, did=did)
    except (Rejected, ReconnectNeeded) as error:
        if error.code == _MOVED:
            raise TokenRevoked(
                PLATFORM, _MOVED, "This account is no longer on this server. Connect it again.", status=error.status
            ) from error
        raise _senseless(error) from error
    if status.did != did:
        raise UnexpectedReply(PLATFORM, "other_account", "The server's answer is about another account.")
    if not status.active:
        raise TokenRevoked(PLATFORM, "AccountInactive", not_active(status.reason))


def _senseless(error: PlatformError) -> UnexpectedReply:
    return UnexpectedReply(
        PLATFORM, error.code, "The server does not say whether the post is there. Look at the profile.", status=error.status
    )
