"""What a Mastodon server's refusals mean: one table from status and wording to the error tree.

The wording is asked for in English (:mod:`platforms.mastodon.api`), because the API answers in the account's own
language otherwise. Sources: Mastodon documentation, methods/statuses, methods/media, api/rate-limits.
"""

from dataclasses import dataclass
from typing import Literal

import httpx

from platforms.errors import (
    ContentRejected,
    MediaRejected,
    PlatformError,
    RateLimited,
    ScopeMissing,
    TokenRevoked,
    Unavailable,
    UnexpectedReply,
)
from platforms.mastodon.reply import explanation, retry_after

NAME = "mastodon"
"""The adapter's registry key, carried by every error."""

Step = Literal["read", "upload", "post"]
"""What the refused request was for. Only ``post`` is visible to others, so only there a doubt means *ask*."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: status, step (``None``: any) and a phrase of the explanation, then what that combination means."""

    status: int
    step: Step | None
    phrase: str
    leaf: type[PlatformError]
    code: str
    message: str

    def fits(self, status: int, step: Step, said: str) -> bool:
        """Whether this row describes the answer; the first that does is the one that counts."""
        return self.status == status and self.step in (None, step) and self.phrase in said.lower()


ALLOW_ALL = "Carillon was not given all the permissions it asks for. Connect the account again and allow them."
CLOSED = "The server has disabled this account's login. Sort that out there, then connect the account again."
DELETED = "This post was already sent, and has been deleted on the server since."
DROPPED = "The server no longer has an uploaded file. It is uploaded again with the next attempt."
GONE = "This server, or this account on it, no longer exists."
PARENT_GONE = "The post that this one goes on from is no longer there."
RECONNECT = "The server no longer accepts our access to this account. Connect the account again."
WORKING = "The server is still processing the uploaded files."

TABLE = (
    Rule(401, None, "", TokenRevoked, "token_invalid", RECONNECT),
    Rule(403, None, "authorized scopes", ScopeMissing, "scope_missing", ALLOW_ALL),
    Rule(403, None, "your login is", TokenRevoked, "login_disabled", CLOSED),
    Rule(403, "post", "", ContentRejected, "forbidden", "The server does not allow this account to post this."),
    Rule(403, "upload", "", MediaRejected, "forbidden", "The server does not allow this account to upload files."),
    Rule(404, "post", "trying to reply to", ContentRejected, "parent_gone", PARENT_GONE),
    Rule(404, "post", "record not found", ContentRejected, "deleted", DELETED),
    Rule(410, None, "", TokenRevoked, "gone", GONE),
    Rule(413, "upload", "", MediaRejected, "too_large", "The file is larger than this server accepts."),
    Rule(422, None, "authenticated user", TokenRevoked, "token_invalid", RECONNECT),
    Rule(422, "post", "have not finished processing", Unavailable, "media_processing", WORKING),
    Rule(422, "post", "not found or already attached", Unavailable, "media_gone", DROPPED),
    Rule(422, "post", "attach", MediaRejected, "media_refused", "The server refused the files: {said}"),
    Rule(422, "post", "", ContentRejected, "refused", "The server refused the post: {said}"),
    Rule(422, "upload", "", MediaRejected, "refused", "The server refused the file: {said}"),
    Rule(429, None, "", RateLimited, "rate_limited", "The server asks us to slow down."),
    Rule(500, "upload", "error processing", MediaRejected, "unprocessable", "The server could not process the file."),
)


DOUBTFUL = frozenset({408, 409, 425, 499})
"""A proxy that gave up waiting, or a server that is busy with the same request: these refuse nothing, whatever they say."""


def refused(response: httpx.Response, step: Step) -> PlatformError:
    """The error to raise for an answer that is no success.

    Every refusal of Mastodon's own, the one of its rate limits too, explains itself in JSON. Anything else may be a proxy's,
    which does not know what became of a post: an HTML page, an empty answer, half an object.
    """
    status, said = response.status_code, explanation(response)
    certain = step != "post" or (bool(said) and status not in DOUBTFUL)
    rule = (certain and next((rule for rule in TABLE if rule.fits(status, step, said)), None)) or _otherwise(
        status, step, certain
    )
    message = rule.message.format(said=said or "it gave no reason.")
    return rule.leaf(NAME, rule.code, message, retry_after=retry_after(response), status=status)


def _otherwise(status: int, step: Step, certain: bool) -> Rule:
    """Statuses without a row, and answers that prove nothing."""
    leaf: type[PlatformError] = UnexpectedReply if step == "post" else Unavailable
    if certain and step != "read" and httpx.codes.is_client_error(status) and status not in DOUBTFUL:
        leaf = ContentRejected if step == "post" else MediaRejected
    return Rule(status, step, "", leaf, f"http_{status}", f"The server answered with an error (status {status}).")
