"""From documents to the frozen :class:`platforms.base.Content` an adapter gets."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto

from app import renditions
from app.engine import sources
from app.engine.sources import Gone, Kept
from app.models import Account, Attachment, Delivery, MediaFile, Receipt, reading
from platforms import REGISTRY
from platforms.base import Content, Media, MediaFacts, MediaKind, MediaRules, PartKind, Problem, Reference
from platforms.fitting import Rendition


class Files(Enum):
    """How much is known of a content's files."""

    ANNOUNCED = auto()
    """As they will be: enough for a preflight, and nothing is opened."""
    MADE = auto()
    """As they are sent: made, and of exactly the size that is told."""
    PAST = auto()
    """What was sent is asked about: they need not exist any more."""


async def build(
    account: Account,
    *,
    text: str,
    attachments: Sequence[Attachment],
    language: str | None,
    options: Mapping[str, str],
    created_at: datetime,
    kind: PartKind = PartKind.POST,
    files: Files = Files.ANNOUNCED,
) -> Content:
    """Content for ``account``. Raises ``MediaRejected`` if a file is gone, and what :meth:`Kept.made` does.

    Several files are made at the same time.
    """
    capabilities = REGISTRY[account.platform].capabilities_for(account.limits)
    rules = (capabilities.for_part(kind) or capabilities).media
    return Content(
        text=text,
        created_at=created_at,
        media=tuple(await asyncio.gather(*(_found(attachment, account, rules, files) for attachment in attachments))),
        language=language,
        options=dict(options),
        kind=kind,
    )


async def of_part(delivery: Delivery, account: Account, *, files: Files) -> Content:
    """The content of the delivery's current part, and what it answers. Raises like :func:`build`.

    The post's own files and options are the first part's; later parts bring theirs along.
    """
    part, first = delivery.parts[delivery.position], delivery.position == 0
    content = await build(
        account,
        text=part.text,
        attachments=delivery.attachments if first else part.attachments,
        language=delivery.language,
        options=delivery.options if first else part.options,
        created_at=delivery.content_at,
        kind=part.kind,
        files=files,
    )
    before = [_reference(earlier.receipt) for earlier in delivery.parts[: delivery.position] if earlier.receipt]
    if first or not before:
        return content
    answered = before[0] if part.kind is PartKind.COMMENT else before[-1]
    return replace(content, required=part.required, reply_to=answered, root=before[0])


def _reference(receipt: Receipt) -> Reference:
    return Reference(receipt.remote_id, receipt.url, receipt.data)


# --- media -----------------------------------------------------------------------------------------------------------


def problems(account: Account, content: Content) -> list[Problem]:
    """What is wrong with its files here, whatever they are: a network that fetches them needs an address."""
    fetched = any(isinstance(one.source, Kept) and one.source.rule and one.source.rule.by_address for one in content.media)
    refusal = sources.unreachable(account) if fetched else None
    return [Problem("media", "no_address", refusal)] if refusal else []


async def make(account: Account, attachment: Attachment, *, patience: timedelta) -> None:
    """Have the file ready as ``account`` needs it. Raises ``PlatformError``, and ``StillMade`` after ``patience``."""
    rules = REGISTRY[account.platform].capabilities_for(account.limits).media
    file = await reading.get(MediaFile, attachment.media_id)
    if file is None:
        raise sources.gone(account.platform)
    source = _source(file, attachment, account, rules)
    await source.made(Media(str(file.id), renditions.facts(file), attachment.alt, source), patience=patience)
    await renditions.used(file, source.rule, source.choices)


def _source(file: MediaFile, attachment: Attachment, account: Account, rules: MediaRules) -> Kept:
    return Kept(file, rules.of(MediaKind.of(file.mime)), account, choices=attachment.choices(file.focus))


async def _found(attachment: Attachment, account: Account, rules: MediaRules, files: Files) -> Media:
    file = await reading.get(MediaFile, attachment.media_id)
    if file is not None:
        source = _source(file, attachment, account, rules)
        announced = Media(str(file.id), _announced(source), attachment.alt, source, file.captions)
        return await source.made(announced) if files is Files.MADE else announced
    if files is not Files.PAST:
        raise sources.gone(account.platform)
    return Media(str(attachment.media_id), MediaFacts("", 0), attachment.alt, Gone(account.platform))


def _announced(source: Kept) -> MediaFacts:
    """What will be made to fit when it is sent is announced as what comes out: its type, and the most bytes and pixels it has.

    What cannot be made to fit is announced as it is, and the preflight tells why not. Without a ``rule`` the network takes no
    such file, which it tells too.
    """
    found = renditions.planned(source.file, source.rule, source.choices) if source.rule else None
    return found.fitted if isinstance(found, Rendition) else renditions.facts(source.file)
