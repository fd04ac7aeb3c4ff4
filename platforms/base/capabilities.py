"""What a network can do, as data: templates, preflight, engine, documentation and tests all read the same objects."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Literal

from platforms.base.content import PartKind
from platforms.base.media import MediaRules


@dataclass(frozen=True, slots=True)
class TextRule:
    """How long a text may be. ``limit`` is compared with ``Adapter.count``; ``max_bytes`` counts UTF-8 bytes.

    ``url_length``: every link counts this much whatever its length (Mastodon, X: 23); ``None`` means links count as written.
    """

    limit: int
    max_bytes: int | None = None
    url_length: int | None = None


class OptionType(StrEnum):
    """How a form asks for an option. A ``TOGGLE`` is ``YES`` or ``NO``, and ``NO`` if nobody touched it and it has no default.

    What nobody may guess is a required ``CHOICE`` between the two.
    """

    TEXT = "text"
    CHOICE = "choice"
    TOGGLE = "toggle"


YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of one post that this network knows, drawn by the composer from this data alone.

    ``choices`` are ``(value, label)`` pairs. Those that an account brings along (YouTube's categories, LinkedIn's audiences of a
    person or a page) are put there by ``Adapter.capabilities_for``, which has read them from the account's limits.
    A ``required`` option must have a value: without a ``default`` the person has to decide, and nobody guesses for them (YouTube:
    made for kids or not). ``max_length`` of a text in graphemes, 0: the adapter judges it.
    """

    key: str
    label: str
    type: OptionType = OptionType.TEXT
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    required: bool = False
    max_length: int = 0
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Midnight:
    """A quota's day begins when it does in ``zone``, an IANA key (LinkedIn: UTC; YouTube: America/Los_Angeles)."""

    zone: str


class Scope(StrEnum):
    """For whom a quota counts together.

    ``ACCOUNT``: this profile (Mastodon, Threads, Instagram, X). ``SERVER``: all accounts of this installation on one server,
    because they come from one address (Bluesky). ``APP``: all accounts that use the operator's app (YouTube, Tumblr, X).
    """

    ACCOUNT = "account"
    SERVER = "server"
    APP = "app"


@dataclass(frozen=True, slots=True)
class Quota:
    """A published allowance: ``limit`` points in any stretch of ``per``, or in each day that begins at a :class:`Midnight`.

    A part that is sent takes ``cost`` of them (Bluesky: a post is 3 of 5,000 points an hour). The engine keeps below it; what it
    cannot know (posts made elsewhere, allowances for one kind of post such as Facebook's 30 reels a day) the network says with
    ``QuotaExhausted``, and the account waits.
    """

    limit: int
    per: timedelta | Midnight
    scope: Scope = Scope.ACCOUNT
    cost: int = 1

    @property
    def posts(self) -> int:
        """How many parts that is; at least one, or nothing would ever be sent."""
        return max(1, self.limit // max(1, self.cost))


@dataclass(frozen=True, slots=True)
class PartRule:
    """What a network takes besides the post itself: at most ``max_count`` parts of ``kind``, with a text and files of their own.

    LinkedIn: one comment of 1,250 plain characters, no files. Tumblr: reblogs without videos.
    """

    kind: PartKind
    max_count: int
    text: TextRule
    media: MediaRules


class Idempotency(StrEnum):
    """What keeps a second post out after a first one of which nobody knows whether it was accepted; the engine obeys it.

    ``NATIVE``: the network, which takes a second request with the same key for the first one. ``LOOKUP``: the looking, because
    :class:`~platforms.base.Absent` is proof there. ``NONE``: nothing, so that after ``Absent`` the engine asks a person and never
    repeats.
    """

    NATIVE = "native"
    LOOKUP = "lookup"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a network can do for one post.

    ``parts`` are what may follow the post itself. ``quotas`` are the published ones; all of them hold. ``settles_in`` is how long
    after sending the network may still be storing a request that we gave up: before that, *not there* is no answer.
    ``processing_limit``: longer than this it prepares nothing, before the fence (:class:`~platforms.base.Waiting`) or behind it.
    """

    text: TextRule
    media: MediaRules
    options: tuple[Option, ...] = ()
    languages: bool = False
    scopes: tuple[str, ...] = ()
    quotas: tuple[Quota, ...] = ()
    parts: tuple[PartRule, ...] = ()
    idempotency: Idempotency = Idempotency.NONE
    settles_in: timedelta = timedelta(seconds=60)
    processing_limit: timedelta = timedelta(days=1)

    def for_part(self, kind: PartKind) -> "Capabilities | None":
        """The same with the text and the files of a part of ``kind``; ``None`` if the network has no such part."""
        if kind is PartKind.POST:
            return self
        rule = next((rule for rule in self.parts if rule.kind is kind), None)
        return replace(self, text=rule.text, media=rule.media) if rule else None


def choices_of(found: object, *, most: int = 200, longest: int = 200) -> tuple[tuple[str, str], ...]:
    """Choices that came with an account and were kept in its limits as ``[[value, label], ...]``; what is none is left out.

    For ``capabilities_for``, which must not raise: at most ``most`` of them, each of at most ``longest`` characters.
    """
    pairs = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
    usable = [pair for pair in pairs if isinstance(pair, Sequence) and not isinstance(pair, str) and _is_choice(pair, longest)]
    return tuple((value, label) for value, label in usable[:most])


def _is_choice(pair: Sequence[object], longest: int) -> bool:
    return len(pair) == len(("value", "label")) and all(isinstance(text, str) and 0 < len(text) <= longest for text in pair)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the content that a person should know before it is sent.

    ``blocks`` problems would be refused by the network; the others are advice (a missing alt text).
    ``field`` is ``"text"``, ``"media"`` or an option's key; ``message`` says what to do.
    """

    field: str
    code: str
    message: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the text as the network will show it, for the preview. ``href`` is only set for links."""

    kind: Literal["text", "link", "mention", "tag"]
    text: str
    href: str | None = None
