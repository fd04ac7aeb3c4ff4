"""The contract between Carillon and a network: values that go in, values that come out, and a few behaviours.

    media          a file, and which files a network takes
    content        what one account is to publish, and who it is
    capabilities   what a network can do, as data
    outcomes       what comes of a publication, and what survives a crash in the middle of one
    connecting     how an account is connected
    adapter        all of it together: what one network is

An adapter is one class in ``platforms/<name>/`` registered in ``platforms.REGISTRY``. It keeps no state, opens no database,
reads no settings and logs no bodies. Whatever differs between networks is data (:class:`Capabilities`, ``Connector.fields``)
or one of the methods of :class:`Adapter`; nothing outside ``platforms/`` ever asks which network it has.
"""

from platforms.base.adapter import Adapter
from platforms.base.capabilities import (
    NO,
    YES,
    Capabilities,
    Idempotency,
    Midnight,
    Option,
    OptionType,
    PartRule,
    Problem,
    Quota,
    Scope,
    Segment,
    TextRule,
    choices_of,
)
from platforms.base.connecting import (
    Authorization,
    Candidate,
    Connector,
    Consent,
    Field,
    OAuthConnector,
    PasswordConnector,
    RegisteringConnector,
    Tokens,
)
from platforms.base.content import Content, PartKind, Profile, Reference, Session
from platforms.base.media import FETCHED_WITHIN, NO_MEDIA, Captions, Media, MediaFacts, MediaKind, MediaRule, MediaRules, Source
from platforms.base.outcomes import (
    Absent,
    Answer,
    Checkpoint,
    Metrics,
    Outcome,
    Processing,
    Published,
    Refused,
    SentAttempt,
    Unnamed,
    Waiting,
    counted,
)

__all__ = [
    "FETCHED_WITHIN",
    "NO",
    "NO_MEDIA",
    "YES",
    "Absent",
    "Adapter",
    "Answer",
    "Authorization",
    "Candidate",
    "Capabilities",
    "Captions",
    "Checkpoint",
    "Connector",
    "Consent",
    "Content",
    "Field",
    "Idempotency",
    "Media",
    "MediaFacts",
    "MediaKind",
    "MediaRule",
    "MediaRules",
    "Metrics",
    "Midnight",
    "OAuthConnector",
    "Option",
    "OptionType",
    "Outcome",
    "PartKind",
    "PartRule",
    "PasswordConnector",
    "Problem",
    "Processing",
    "Profile",
    "Published",
    "Quota",
    "Reference",
    "Refused",
    "RegisteringConnector",
    "Scope",
    "Segment",
    "SentAttempt",
    "Session",
    "Source",
    "TextRule",
    "Tokens",
    "Unnamed",
    "Waiting",
    "choices_of",
    "counted",
]
