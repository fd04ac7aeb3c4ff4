"""The composer's buttons that change what it holds and save nothing, and the files that it offers from the library."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from litestar.datastructures import FormMultiDict, MultiDict

from app.ids import Id
from app.models import Attachment, MediaFile, Workspace
from app.routes import forms
from app.services.media import files, picking
from app.services.media.picking import FIRST
from app.services.writing import drafts, posts
from app.services.writing.drafts import Draft, field_name
from app.services.writing.posts import AttachedMedia, Preview
from app.services.writing.sizes import MAX_MEDIA
from platforms.base import Option

LIBRARY = "library"
"""The button that opens the list of files, and searches in it; with a number it shows so many."""

_DIGITS = 4


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
    """For each account with files of its own: those in its order, then the post's that are not among them."""
    found = {}
    for account, attachments in draft.files.items():
        own = await posts.attached(workspace, attachments)
        there = {each.file.id for each in own}
        rest = [Offered(each, ticked=False) for each in shared if each.file.id not in there]
        found[account] = [Offered(each, ticked=True) for each in own] + rest
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


# --- files that are there already -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Panel:
    """The list of files to pick from. ``next`` is how many *Show more* shows; 0 if there are no more."""

    files: list[AttachedMedia]
    ticked: frozenset[str]
    search: str
    next: int


async def panel(workspace: Workspace, fields: FormMultiDict | MultiDict[str], *, count: str = "") -> Panel:
    """What the fields of the list ask for."""
    number = int(count) if count.isascii() and count.isdigit() and len(count) <= _DIGITS else FIRST
    search = str(fields.get("library-q", ""))
    shelf = await picking.shelf(workspace, search=search, count=number)
    ticked = frozenset(each for each in fields.getall("pick", []) if isinstance(each, str))
    following = len(shelf.files) + FIRST if shelf.more else 0
    return Panel([begun(file) for file in shelf.files], ticked, search, following)


def begun(file: MediaFile) -> AttachedMedia:
    """The file as a post begins with it: described as its owner described it."""
    return AttachedMedia(file, Attachment(media_id=file.id, alt=file.alt), files.url(file))


async def with_picked(workspace: Workspace, draft: Draft, media_ids: Sequence[Id]) -> tuple[Draft, dict[str, str]]:
    """``draft`` with these files as well, those of others left out; and a problem if they are too many."""
    found = [begun(file).attachment for file in await picking.picked(workspace, media_ids[: picking.MOST])]
    more = drafts.added(draft, found)
    if len(more.attachments) <= max(MAX_MEDIA, len(draft.attachments)):
        return more, {}
    kept = replace(more, attachments=more.attachments[: max(MAX_MEDIA, len(draft.attachments))])
    return kept, {"media": f"Attach at most {MAX_MEDIA} images; the others were left out."}
