"""Everything a network can do wrong, classed by what we must do next.

    PlatformError(platform, code, message, retry_after=None, status=None)
    ├── Transient         RETRY      certainly not accepted; try again later
    │   ├── Unavailable              no connection, 5xx on a read, refused before sending
    │   ├── RateLimited              429; ``retry_after`` says when; costs no attempt
    │   └── QuotaExhausted           a daily or hourly quota; ``retry_after`` moves the due time
    ├── Unconfirmed       RECONCILE  the network may have accepted it: ask, never repeat
    │   ├── TimedOut                 no answer after the request was sent
    │   └── UnexpectedReply          5xx, or an answer that proves nothing, to a mutation
    ├── ReconnectNeeded   RECONNECT  the account's person must connect it again
    │   ├── TokenExpired             (raised after a refresh failed, or where none exists)
    │   ├── TokenRevoked
    │   └── ScopeMissing
    ├── Rejected          EDIT       the network refused the content; a person must change it
    │   ├── ContentRejected
    │   ├── MediaRejected
    │   └── DuplicateContent
    └── Misconfigured     CONFIGURE  the operator's credentials, network or app review

``message`` is shown to people: it never holds a body, a URL with a query, or a token.
A new failure belongs to the leaf whose *remedy* fits; when in doubt after a mutation, ``UnexpectedReply``.
"""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar


class Remedy(StrEnum):
    """What has to happen next; the engine's one ``match`` has an arm for each."""

    RETRY = "retry"
    RECONCILE = "reconcile"
    RECONNECT = "reconnect"
    EDIT = "edit"
    CONFIGURE = "configure"


class PlatformError(Exception):
    """A network said no, or said nothing. Raise a leaf, catch by remedy.

    ``status`` is the HTTP status if there was an answer; ``code`` is the network's own error name, or ours in snake_case.
    """

    remedy: ClassVar[Remedy]

    def __init__(
        self,
        platform: str,
        code: str,
        message: str,
        *,
        retry_after: timedelta | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(f"{platform}: {code}: {message}")
        self.platform = platform
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.status = status


class Transient(PlatformError):
    """Certainly not accepted, and worth another try."""

    remedy = Remedy.RETRY


class Unavailable(Transient):
    """The network could not be reached, or failed before it could have accepted anything."""


class RateLimited(Transient):
    """Too fast. Waiting is the whole cure, so it does not use up an attempt."""


class QuotaExhausted(Transient):
    """A longer quota is used up; ``retry_after`` says when it is filled again. Does not use up an attempt."""


class Unconfirmed(PlatformError):
    """The network may have accepted it: reconcile before anything else."""

    remedy = Remedy.RECONCILE


class TimedOut(Unconfirmed):
    """The request was sent and no answer came."""


class UnexpectedReply(Unconfirmed):
    """An answer that proves neither success nor refusal."""


class ReconnectNeeded(PlatformError):
    """The stored tokens are of no more use; a person connects the account again."""

    remedy = Remedy.RECONNECT


class TokenExpired(ReconnectNeeded):
    """The token has run out. ``publish`` raises it to ask for one ``refresh``; ``refresh`` raises it when that failed."""


class TokenRevoked(ReconnectNeeded):
    """The token was withdrawn, or the account is suspended or gone."""


class ScopeMissing(ReconnectNeeded):
    """The person did not grant what this call needs."""


class Rejected(PlatformError):
    """The network refused the content for good."""

    remedy = Remedy.EDIT


class ContentRejected(Rejected):
    """Text or options break the network's rules."""


class MediaRejected(Rejected):
    """A file is too large, of a wrong type, or could not be processed."""


class DuplicateContent(Rejected):
    """The network says that the same content was posted before by somebody else's doing."""


class Misconfigured(PlatformError):
    """Only the operator can mend it: credentials, app review, or an outgoing host that is not allowed."""

    remedy = Remedy.CONFIGURE
