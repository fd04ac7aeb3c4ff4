"""From documents to the frozen :class:`platforms.base.Content` an adapter gets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from app import pictures, renditions
from app.models import Account, Attachment, Delivery, MediaFile, Receipt, reading
from app.storage import Missing
from platforms import REGISTRY
from platforms.base import Content, Media, MediaKind, MediaRule, MediaRules, PartKind, Reference
from platforms.errors import MediaRejected
from platforms.fitting import Rendition


async def build(
    account: Account,
    *,
    text: str,
    attachments: Sequence[Attachment],
    language: str | None,
    options: Mapping[str, str],
    created_at: datetime,
    kind: PartKind = PartKind.POST,
    sent: bool = False,
) -> Content:
    """Content for ``account``, with its pictures announced as they will be sent there.

    Raises ``MediaRejected`` if a picture is gone: nothing is left out silently. ``sent``: only the past is asked about, which
    needs no file any more.
    """
    capabilities = REGISTRY[account.platform].capabilities_for(account.limits)
    rules = (capabilities.for_part(kind) or capabilities).media
    return Content(
        text=text,
        created_at=created_at,
        media=tuple([await _announced(attachment, account.platform, rules, sent=sent) for attachment in attachments]),
        language=language,
        options=dict(options),
        kind=kind,
    )


async def of_part(delivery: Delivery, account: Account, *, sent: bool = False) -> Content:
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
        sent=sent,
    )
    before = [_reference(earlier.receipt) for earlier in delivery.parts[: delivery.position] if earlier.receipt]
    if first or not before:
        return content
    answered = before[0] if part.kind is PartKind.COMMENT else before[-1]
    return replace(content, required=part.required, reply_to=answered, root=before[0])


def _reference(receipt: Receipt) -> Reference:
    return Reference(receipt.remote_id, receipt.url, receipt.data)


# --- media -----------------------------------------------------------------------------------------------------------


async def _announced(attachment: Attachment, platform: str, rules: MediaRules, *, sent: bool) -> Media:
    file = await reading.get(MediaFile, attachment.media_id)
    if file is not None:
        return _adapted(file, attachment.alt, platform, rules.of(MediaKind.of(file.mime)))
    if not sent:
        raise _gone(platform)
    return Media(str(attachment.media_id), "", 0, 0, 0, attachment.alt, partial(_read_nothing, platform))


def _gone(platform: str) -> MediaRejected:
    return MediaRejected(
        platform, "media_gone", "One of its pictures no longer exists. Edit the post, and add the picture again."
    )


async def _read_nothing(platform: str) -> bytes:
    raise _gone(platform)


def _adapted(file: MediaFile, alt: str, platform: str, rule: MediaRule | None) -> Media:
    """What will be made to fit when it is read is announced as what comes out: its type, and the most bytes and pixels it has.

    What cannot be made to fit is announced as it is, and the preflight tells why not. Without a ``rule`` the network takes no
    such file, which it tells too.
    """
    found = renditions.planned(file, rule) if rule else None
    facts = found.fitted if isinstance(found, Rendition) else renditions.facts(file)
    return Media(
        id=str(file.id),
        mime=facts.mime,
        size=facts.size,
        width=facts.width,
        height=facts.height,
        alt=alt,
        read=partial(_read_fitted, file, platform, rule),
        duration=facts.duration if facts.is_film else None,
    )


async def _read_fitted(file: MediaFile, platform: str, rule: MediaRule | None) -> bytes:
    try:
        return await renditions.read(file, rule)
    except Missing:
        raise _gone(platform) from None
    except pictures.Unfit as unfit:
        raise MediaRejected(platform, "media_unfit", str(unfit)) from None
