"""What the composer holds, how it will look on every account, and what is wrong with it: the one preflight."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app import renditions
from app.engine import contents
from app.errors import Invalid
from app.ids import Id
from app.models import UNFINISHED, Account, Attachment, MediaFile, MediaState, Workspace, now, reading, tidy
from app.services.accounts import profiles
from app.services.media import files
from app.services.writing import choices
from app.services.writing.drafts import Draft, field_name
from app.services.writing.framing import Framed, framed
from app.services.writing.sizes import MAX_ACCOUNTS, MAX_MEDIA, oversized
from platforms import REGISTRY
from platforms.base import NO, YES, Adapter, Capabilities, MediaKind, Option, OptionType, PartKind, Problem, Segment
from platforms.fitting import Crop, kept
from platforms.preflight import ALT_MISSING
from platforms.text import graphemes


@dataclass(frozen=True, slots=True)
class AttachedMedia:
    """An attached file, what was chosen about it, and signed links: ``url`` to a picture of it, ``film`` to play one.

    ``framed`` is how an account will show it.
    """

    file: MediaFile
    attachment: Attachment
    url: str
    film: str = ""
    framed: Framed | None = None

    @classmethod
    def of(cls, file: MediaFile, attachment: Attachment) -> "AttachedMedia":
        """With links that are good today."""
        return cls(file, attachment, files.url(file), files.film_url(file))

    @property
    def thumb(self) -> str:
        """A link to a small picture of it."""
        return files.thumb_url(self.file)

    @property
    def length(self) -> str:
        """A film's, as ``0:42``; ``""`` for what has none."""
        seconds = self.file.facts.get("duration") if self.film else None
        return f"{round(seconds) // 60}:{round(seconds) % 60:02}" if seconds is not None else ""

    @property
    def alt(self) -> str:
        """Its description."""
        return self.attachment.alt

    @property
    def seconds(self) -> float | None:
        """How long it moves; ``None`` for what does not."""
        return choices.length_of(self.file)

    @property
    def animated(self) -> bool:
        """Whether it is a picture that moves."""
        return renditions.facts(self.file).animated

    @property
    def fields(self) -> Mapping[str, str]:
        """Its choices as a form writes them."""
        return choices.written(self.attachment)

    @property
    def focus(self) -> tuple[float, float]:
        """The point that a crop keeps."""
        return self.attachment.focus or self.file.focus

    @property
    def kept(self) -> Crop | None:
        """What a crop to the chosen ratio leaves; ``None`` if nothing is cut off."""
        return kept(renditions.facts(self.file), self.attachment.choices(self.file.focus))

    @property
    def see_through(self) -> bool:
        """Whether a colour is seen behind it, wherever a network keeps none."""
        return renditions.facts(self.file).alpha

    @property
    def tint(self) -> str:
        """The colour that holds its place while it is loaded; ``""`` if it would be seen afterwards too, or is not known."""
        return "" if self.see_through else renditions.facts(self.file).colour


@dataclass(frozen=True, slots=True)
class Misfit:
    """A file, by its ``number`` from 1 on, that a network takes only after a person has chosen how; ``own`` to the account."""

    media_id: Id
    number: int
    own: bool
    message: str


@dataclass(frozen=True, slots=True)
class Preview:
    """One account's version of a draft: how long it is, how it will look, and what is wrong with it."""

    account: Account
    adapter: Adapter
    capabilities: Capabilities
    text: str
    own_text: bool
    options: Mapping[str, str]
    count: int
    limit: int
    problems: list[Problem]
    segments: tuple[Segment, ...]
    media: list[AttachedMedia]
    misfits: list[Misfit]

    @property
    def left(self) -> int:
        """Characters left; negative when the text is too long."""
        return self.limit - self.count

    @property
    def blocked(self) -> bool:
        """Whether the network would refuse it."""
        return any(problem.blocks for problem in self.problems)


async def chosen(workspace: Workspace, account_ids: Sequence[Id]) -> list[Account]:
    """The workspace's accounts among ``account_ids``, in the workspace's order."""
    wanted = set(account_ids)
    return [account for account in await profiles.listed(workspace) if account.id in wanted]


async def attached(workspace: Workspace, attachments: Sequence[Attachment]) -> list[AttachedMedia]:
    """The attached files that are ready in this workspace, in order; no more than a post may have."""
    found = [(await reading.get(MediaFile, attachment.media_id), attachment) for attachment in attachments[:MAX_MEDIA]]
    mine = [(file, attachment) for file, attachment in found if file is not None and file.workspace_id == workspace.id]
    mine = [(file, attachment) for file, attachment in mine if file.state is MediaState.READY]
    return [AttachedMedia.of(file, choices.within(attachment, file)) for file, attachment in mine]


async def settled(workspace: Workspace, draft: Draft) -> Draft:
    """``draft`` with its files as they are kept: all of them there, and every choice within its file. Raises ``Invalid``."""
    shared = await _kept(workspace, draft.attachments, None)
    own = {account: await _kept(workspace, own, account) for account, own in draft.files.items() if account in draft.account_ids}
    return replace(draft, attachments=shared, files=own)


async def _kept(workspace: Workspace, attachments: Sequence[Attachment], account_id: Id | None) -> tuple[Attachment, ...]:
    found = await attached(workspace, attachments)
    if len(found) < len(attachments):
        if await unfinished(workspace, attachments):
            raise Invalid({"media": "A file has not arrived yet. Wait for it, or take it away, and save again."})
        raise Invalid({"media": "One of the pictures no longer exists. Look at what is left, and save again."})
    wrong = {
        field_name("from", one.file.id, account_id): said
        for one in found
        if (said := choices.misses(one.attachment, one.file)) is not None
    }
    if wrong:
        raise Invalid(wrong)
    return tuple(one.attachment for one in found)


async def unfinished(workspace: Workspace, attachments: Sequence[Attachment]) -> bool:
    """Whether one of the attached files is still on its way."""
    found = [await reading.get(MediaFile, attachment.media_id) for attachment in attachments[:MAX_MEDIA]]
    return any(file is not None and file.workspace_id == workspace.id and file.state in UNFINISHED for file in found)


async def previews(workspace: Workspace, draft: Draft) -> list[Preview]:
    """One preview per chosen account. Others have their turn in between: a long text takes a tenth of a second for each."""
    shared = await attached(workspace, draft.attachments)
    shown = []
    for account in (await chosen(workspace, draft.account_ids))[:MAX_ACCOUNTS]:
        own = draft.files.get(account.id)
        shown.append(await _preview(workspace, draft, account, shared if own is None else await attached(workspace, own)))
        await asyncio.sleep(0)
    return shown


async def _preview(workspace: Workspace, draft: Draft, account: Account, files: list[AttachedMedia]) -> Preview:
    adapter, variant = REGISTRY[account.platform], draft.variant(account)
    capabilities = adapter.capabilities_for(account.limits)
    content = await contents.build(
        account,
        text=tidy(variant.text if variant.text is not None else draft.text),
        attachments=[file.attachment for file in files],
        language=draft.language,
        options=variant.options,
        created_at=now(),
    )
    excess = oversized(texts=(content.text,), alts=[file.alt for file in files], values=variant.options.values())
    found = [Problem(field, "oversized", message) for field, message in excess.items()]
    told = _option_problems(capabilities.options, variant.options) + contents.problems(account, content)
    problems = found or told + adapter.validate(content, capabilities)
    looks = [_look(file, capabilities) for file in files]
    return Preview(
        account=account,
        adapter=adapter,
        capabilities=capabilities,
        text=content.text,
        own_text=variant.text is not None,
        options={option.key: variant.options.get(option.key, option.default) for option in capabilities.options},
        count=len(content.text) if found else adapter.count(content, capabilities),
        limit=capabilities.text.limit,
        problems=[_required(problem) for problem in problems] if workspace.alt_required else problems,
        segments=() if found else adapter.segments(content.text),
        media=[replace(file, framed=look if isinstance(look, Framed) else None) for file, look in zip(files, looks, strict=True)],
        misfits=[
            Misfit(file.file.id, number, account.id in draft.files, look.message)
            for number, (file, look) in enumerate(zip(files, looks, strict=True), 1)
            if isinstance(look, Problem) and look.code in _CHOOSABLE
        ],
    )


_CHOOSABLE = frozenset({"shape", "duration"})
"""What a crop, a border or a cut mends."""


def _look(file: AttachedMedia, capabilities: Capabilities) -> Framed | Problem | None:
    rule = (capabilities.for_part(PartKind.POST) or capabilities).media.of(MediaKind.of(file.file.mime))
    if rule is None:
        return None
    planned = renditions.planned(file.file, rule, file.attachment.choices(file.file.focus))
    return planned if isinstance(planned, Problem) else framed(renditions.facts(file.file), planned)


def _required(problem: Problem) -> Problem:
    """What the network only warns of, the workspace wants: descriptions."""
    if problem.code != ALT_MISSING:
        return problem
    return replace(problem, blocks=True, message=f"{problem.message} This workspace asks for one.")


def _option_problems(options: Sequence[Option], values: Mapping[str, str]) -> list[Problem]:
    """What the options' own rules say: a value that no form of ours offers, one that is missing, one that is too long."""
    found = [_option_problem(option, values.get(option.key, option.default)) for option in options]
    return [problem for problem in found if problem is not None]


def _option_problem(option: Option, value: str) -> Problem | None:
    if not value:
        return _missing(option) if option.required else None
    match option.type:
        case OptionType.CHOICE if value not in dict(option.choices):
            return Problem(option.key, "unknown_choice", f"{option.label}: choose one of the offered values.")
        case OptionType.TOGGLE if value not in (YES, NO):
            return Problem(option.key, "unknown_choice", f"{option.label}: say yes or no.")
        case OptionType.TEXT if option.max_length and (over := graphemes(value) - option.max_length) > 0:
            return Problem(option.key, "too_long", f"{option.label}: {over} characters too long.")
    return None


def _missing(option: Option) -> Problem:
    if option.type is OptionType.CHOICE and not option.choices:
        return Problem(option.key, "no_choice", f"{option.label}: this account has nothing to choose from.")
    return Problem(option.key, "required", f"{option.label}: this network wants an answer.")


async def check(workspace: Workspace, draft: Draft) -> list[Preview]:
    """The previews of a draft that may be published. Raises ``Invalid`` with one sentence per account that is blocked."""
    if faults := draft.faults():
        raise Invalid(faults)
    shown = await previews(workspace, draft)
    if not shown:
        raise Invalid({"accounts": "Choose at least one account."})
    problems = {str(one.account.id): _sentence(one) for one in shown if one.blocked}
    if problems:
        raise Invalid(problems)
    return shown


def _sentence(preview: Preview) -> str:
    messages = " ".join(problem.message for problem in preview.problems if problem.blocks)
    return f"{preview.adapter.label}, {preview.account.handle}: {messages}"
