"""The composer's buttons that change what it holds and save nothing, and what it shows about an account's own files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.ids import Id
from app.models import Attachment, MediaFile, Workspace
from app.routes import forms
from app.services.writing import drafts, posts
from app.services.writing.choices import ASPECTS, Refused
from app.services.writing.drafts import Draft, field_name
from app.services.writing.posts import AttachedMedia, Preview
from platforms.base import Option


def changed(draft: Draft, action: str, subject: str) -> Draft:
    """What the pressed button makes of the draft. ``subject`` is a file, an account, or ``account:file``. Raises ``NotFound``."""
    step = _STEPS.get(action)
    return step(draft, subject) if step else draft


def _copied(draft: Draft, subject: str) -> Draft:
    return replace(draft, texts={**draft.texts, forms.to_id(subject): draft.text})


def _moved(by: int) -> Callable[[Draft, str], Draft]:
    def step(draft: Draft, subject: str) -> Draft:
        account, _, media = subject.rpartition(":")
        return drafts.moved(draft, media, by, account_id=forms.to_id(account) if account else None)

    return step


_STEPS: Mapping[str, Callable[[Draft, str], Draft]] = {
    "remove": drafts.removed,
    "copy": _copied,
    "earlier": _moved(-1),
    "later": _moved(1),
    "own": lambda draft, subject: drafts.parted(draft, forms.to_id(subject)),
    "shared": lambda draft, subject: drafts.rejoined(draft, forms.to_id(subject)),
}


# --- an account's own files -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offered:
    """A file in an account's section: among its own, or one of the post's that it leaves out."""

    media: AttachedMedia
    ticked: bool


async def offered(workspace: Workspace, draft: Draft, shared: Sequence[AttachedMedia]) -> dict[Id, list[Offered]]:
    """For each account with files of its own: those in its order, and the post's others behind the ones they follow there."""
    return {account: _beside(await posts.attached(workspace, own), shared) for account, own in draft.files.items()}


def _beside(own: Sequence[AttachedMedia], shared: Sequence[AttachedMedia]) -> list[Offered]:
    there = {each.file.id for each in own}
    found, before = [Offered(each, ticked=True) for each in own], None
    for each in shared:
        if each.file.id not in there:
            places = [place for place, other in enumerate(found, 1) if other.media.file.id == before]
            found.insert(places[0] if places else 0, Offered(each, ticked=False))
        before = each.file.id
    return found


def is_customised(draft: Draft, account_id: Id, options: Sequence[Option]) -> bool:
    """Whether the account has words or choices of its own, so that its section is shown open."""
    chosen = draft.options.get(account_id, {})
    unanswered = account_id in draft.account_ids and any(
        each.required and not chosen.get(each.key, each.default) for each in options
    )
    own = account_id in draft.texts or account_id in draft.files
    return own or unanswered or any(chosen.get(each.key, each.default) != each.default for each in options)


def needs(previews: Sequence[Preview]) -> dict[str, list[str]]:
    """What a person has to choose about a file, as sentences by the name of its fit (``fit-...``)."""
    found: dict[str, list[str]] = {}
    for preview in previews:
        for misfit in preview.misfits:
            name = field_name("fit", misfit.media_id, preview.account.id if misfit.own else None)
            found.setdefault(name, []).append(f"{preview.adapter.label}, {preview.account.handle}: {misfit.message}")
    return found


def refused(draft: Draft, problems: Mapping[str, str]) -> dict[str, Refused]:
    """What is wrong with choices about files, by field: as they were typed, or as only a look at the file told."""
    told = {name: Refused("", message) for name, message in problems.items() if name.partition("-")[0] in ASPECTS}
    return {**told, **draft.refused}


def begun(file: MediaFile) -> AttachedMedia:
    """The file as a post begins with it: described as its owner described it."""
    return AttachedMedia.of(file, Attachment(media_id=file.id, alt=file.alt))
