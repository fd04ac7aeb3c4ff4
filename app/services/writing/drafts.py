"""What the composer holds, and the steps that change it without saving anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.ids import Id
from app.models import Account, Attachment, Variant, tidy
from app.services.writing.choices import Refused
from app.services.writing.sizes import oversized
from platforms import REGISTRY


@dataclass(frozen=True, slots=True)
class Draft:
    """The composer's fields as typed. ``texts`` holds an account's own text; absent or equal to ``text`` it follows the post.

    ``files`` holds an account's own files in their order; absent or equal to ``attachments`` it shows the post's. ``refused`` is
    what was typed about files and cannot be meant, by the name of its field. ``date`` and ``time`` are ISO (``2026-11-30``,
    ``14:05``) on a clock in ``zone``; empty when nothing was chosen.
    """

    text: str = ""
    account_ids: tuple[Id, ...] = ()
    texts: Mapping[Id, str] = field(default_factory=dict)
    options: Mapping[Id, Mapping[str, str]] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    files: Mapping[Id, tuple[Attachment, ...]] = field(default_factory=dict)
    refused: Mapping[str, Refused] = field(default_factory=dict)
    language: str | None = None
    date: str = ""
    time: str = ""
    zone: str = "UTC"

    @property
    def everything(self) -> list[Attachment]:
        """All files, the post's and the accounts' own."""
        return [*self.attachments, *(each for own in self.files.values() for each in own)]

    def faults(self) -> dict[str, str]:
        """What no network would take, and what cannot be meant, as sentences by field."""
        wrong = {name: one.message for name, one in self.refused.items() if one.message}
        return wrong | oversized(
            texts=(self.text, *self.texts.values()),
            alts=[each.alt for each in self.everything],
            values=[value for chosen in self.options.values() for value in chosen.values()],
            accounts=len(self.account_ids),
            media=max(map(len, (self.attachments, *self.files.values()))),
        )

    def variant(self, account: Account) -> Variant:
        """The part of the draft that is for ``account``."""
        own = self.texts.get(account.id, self.text)
        known = {option.key for option in REGISTRY[account.platform].capabilities_for(account.limits).options}
        options = {key: value for key, value in self.options.get(account.id, {}).items() if key in known}
        files = self.files.get(account.id, self.attachments)
        return Variant(
            account_id=account.id,
            text=None if tidy(own) == tidy(self.text) else own,
            attachments=None if files == self.attachments else list(files),
            options=options,
        )


def field_name(aspect: str, media_id: Id, account_id: Id | None = None) -> str:
    """What the form calls an aspect of a file (``alt``, or one of :data:`choices.ASPECTS`), for an account of its own or all."""
    return "-".join(filter(None, (aspect, account_id, media_id)))


def added(draft: Draft, more: Sequence[Attachment]) -> Draft:
    """With more of the post's files, but none twice."""
    known = {each.media_id for each in draft.attachments}
    return replace(draft, attachments=(*draft.attachments, *(each for each in more if each.media_id not in known)))


def removed(draft: Draft, media_id: str) -> Draft:
    """Without one of the post's files; an account that has files of its own keeps it."""
    return replace(draft, attachments=tuple(each for each in draft.attachments if each.media_id != media_id))


def moved(draft: Draft, media_id: str, by: int, *, account_id: Id | None = None) -> Draft:
    """With a file so many places later (earlier, if negative), in the post's order or the account's."""
    files = list(draft.attachments if account_id is None else draft.files.get(account_id, ()))
    place = next((index for index, each in enumerate(files) if each.media_id == media_id), None)
    if place is None:
        return draft
    files.insert(max(0, place + by), files.pop(place))
    if account_id is None:
        return replace(draft, attachments=tuple(files))
    return replace(draft, files={**draft.files, account_id: tuple(files)})


def parted(draft: Draft, account_id: Id) -> Draft:
    """With files of the account's own, which begin as the post's."""
    return replace(draft, files={account_id: draft.attachments, **draft.files})


def rejoined(draft: Draft, account_id: Id) -> Draft:
    """With the post's files for the account."""
    files = {account: own for account, own in draft.files.items() if account != account_id}
    refused = {name: one for name, one in draft.refused.items() if f"-{account_id}-" not in name}
    return replace(draft, files=files, refused=refused)
