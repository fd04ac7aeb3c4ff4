"""What the composer holds, how it will look on every account, and what is wrong with it: the one preflight."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.engine import contents
from app.errors import Invalid
from app.ids import Id
from app.models import UNFINISHED, Account, Attachment, MediaFile, MediaState, Variant, Workspace, now, reading, tidy
from app.services.accounts import profiles
from app.services.media import files
from app.services.writing.sizes import MAX_ACCOUNTS, MAX_MEDIA, oversized
from platforms import REGISTRY
from platforms.base import NO, YES, Adapter, Capabilities, Option, OptionType, Problem, Segment
from platforms.preflight import ALT_MISSING
from platforms.text import graphemes


@dataclass(frozen=True, slots=True)
class Draft:
    """The composer's fields as typed. ``texts`` holds an account's own text; absent or equal to ``text`` it follows the post.

    ``date`` and ``time`` are ISO (``2026-11-30``, ``14:05``) on a clock in ``zone``; empty when nothing was chosen.
    """

    text: str = ""
    account_ids: tuple[Id, ...] = ()
    texts: Mapping[Id, str] = field(default_factory=dict)
    options: Mapping[Id, Mapping[str, str]] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    language: str | None = None
    date: str = ""
    time: str = ""
    zone: str = "UTC"

    def oversized(self) -> dict[str, str]:
        """What is too much for any network, as sentences by field."""
        return oversized(
            texts=(self.text, *self.texts.values()),
            alts=[each.alt for each in self.attachments],
            values=[value for chosen in self.options.values() for value in chosen.values()],
            accounts=len(self.account_ids),
            media=len(self.attachments),
        )

    def variant(self, account: Account) -> Variant:
        """The part of the draft that is for ``account``."""
        own = self.texts.get(account.id, self.text)
        known = {option.key for option in REGISTRY[account.platform].capabilities_for(account.limits).options}
        options = {key: value for key, value in self.options.get(account.id, {}).items() if key in known}
        return Variant(account_id=account.id, text=None if _same(own, self.text) else own, options=options)


@dataclass(frozen=True, slots=True)
class AttachedMedia:
    """An attached file with its alternative text and signed links: ``url`` to a picture of it, ``film`` to play one."""

    file: MediaFile
    alt: str
    url: str
    film: str = ""

    @classmethod
    def of(cls, file: MediaFile, alt: str) -> "AttachedMedia":
        """With links that are good today."""
        return cls(file, alt, files.url(file), files.film_url(file))

    @property
    def length(self) -> str:
        """A film's, as ``0:42``; ``""`` for what has none."""
        seconds = self.file.facts.get("duration") if self.film else None
        return f"{round(seconds) // 60}:{round(seconds) % 60:02}" if seconds is not None else ""


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
    found = [(await reading.get(MediaFile, attachment.media_id), attachment.alt) for attachment in attachments[:MAX_MEDIA]]
    mine = [(file, alt) for file, alt in found if file is not None and file.workspace_id == workspace.id]
    mine = [(file, alt) for file, alt in mine if file.state is MediaState.READY]
    return [AttachedMedia.of(file, alt) for file, alt in mine]


async def unfinished(workspace: Workspace, attachments: Sequence[Attachment]) -> bool:
    """Whether one of the attached files is still on its way."""
    found = [await reading.get(MediaFile, attachment.media_id) for attachment in attachments[:MAX_MEDIA]]
    return any(file is not None and file.workspace_id == workspace.id and file.state in UNFINISHED for file in found)


async def previews(workspace: Workspace, draft: Draft) -> list[Preview]:
    """One preview per chosen account. Others have their turn in between: a long text takes a tenth of a second for each."""
    files = await attached(workspace, draft.attachments)
    shown = []
    for account in (await chosen(workspace, draft.account_ids))[:MAX_ACCOUNTS]:
        shown.append(await _preview(workspace, draft, account, files))
        await asyncio.sleep(0)
    return shown


async def _preview(workspace: Workspace, draft: Draft, account: Account, files: list[AttachedMedia]) -> Preview:
    adapter, variant = REGISTRY[account.platform], draft.variant(account)
    capabilities = adapter.capabilities_for(account.limits)
    content = await contents.build(
        account,
        text=tidy(variant.text if variant.text is not None else draft.text),
        attachments=[Attachment(media_id=file.file.id, alt=file.alt) for file in files],
        language=draft.language,
        options=variant.options,
        created_at=now(),
    )
    excess = oversized(texts=(content.text,), alts=[file.alt for file in files], values=variant.options.values())
    found = [Problem(field, "oversized", message) for field, message in excess.items()]
    told = _option_problems(capabilities.options, variant.options) + contents.problems(account, content)
    problems = found or told + adapter.validate(content, capabilities)
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
        media=files,
    )


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
    if too_much := draft.oversized():
        raise Invalid(too_much)
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


def _same(one: str, other: str) -> bool:
    return tidy(one) == tidy(other)
