"""The composer: one page for a new post and for editing, with a preview for every chosen account."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from litestar import Router, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath
from litestar.response import Redirect, Response

from app.errors import Conflict, GoneOut, Invalid, NotFound, TooLate, Unsure
from app.ids import Id
from app.models import Account, Post, State, now
from app.routes import forms, imports, picking, steps
from app.routes.imports import Imports
from app.routes.security import Asking, Me
from app.routes.templating import page
from app.services.accounts import profiles
from app.services.media import files
from app.services.people.users import Identity
from app.services.writing import posts
from app.services.writing.posts import AttachedMedia, Draft, Target
from app.storage.values import MEBIBYTE
from app.zones import local, next_full_hour
from platforms import REGISTRY

_UPLOADS_BYTES = 1024 * MEBIBYTE
"""Of a form with files, without a script: four of the largest pictures, or a film of some minutes."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One composer on somebody's screen.

    ``new_id`` was made with the page and becomes a new post's id: a second press of the same button finds the post that the first
    one made. ``base`` is the revision that an existing post had when the page was made, ``sure`` that a question was answered.
    """

    identity: Identity
    post_id: Id | None
    new_id: Id
    base: Id | None = None
    sure: bool = False

    @property
    def address(self) -> str:
        """Where the form is sent to."""
        return f"/posts/{self.post_id}/edit" if self.post_id else "/compose"

    @property
    def target(self) -> Target:
        """Where it is saved."""
        return Target(post_id=self.post_id, base=self.base, new_id=self.new_id, sure=self.sure)


@dataclass(frozen=True, slots=True)
class Notice:
    """Why nothing was saved, and what another press would do.

    ``about`` is the post it speaks of, ``theirs`` the version of it that the form would replace, with its pictures, and with
    those (``own``) of accounts that have files of their own.
    """

    title: str
    text: str
    about: Id | None = None
    theirs: Post | None = None
    pictures: Sequence[AttachedMedia] = ()
    own: Mapping[Id, Sequence[AttachedMedia]] = field(default_factory=dict)


_CANCELED = Notice(
    "This post was canceled", "Nothing was sent or planned. Press the button once more if it is to go out after all."
)
_DELETED = Notice("This post was deleted meanwhile", "What you wrote is kept below. Saving it makes a new post.")
_GONE_OUT = Notice(
    "It went out already",
    "What was sent stays as it is. What you wrote is kept below as a new post: publishing it sends it in addition.",
)
_PARTLY_OUT = Notice(
    "Part of it went out already",
    "So it cannot be a draft any more, and nothing was saved. You can publish or schedule the rest.",
)
_TWO_VERSIONS = Notice(
    "There are two versions of this post",
    "It was saved in another window, or by somebody else, after you opened it. Nothing you wrote is lost, and nothing of it is "
    "saved yet. What is saved comes first, yours is below it; saving yours replaces it.",
)


@get("/compose")
async def new(identity: Me) -> Response[Any]:
    """An empty composer."""
    connected = await profiles.listed(identity.workspace)
    chosen = tuple(account.id for account in connected if account.id) if len(connected) == 1 else ()
    empty = Draft(account_ids=chosen, zone=identity.workspace.zone)
    return await _show(Sheet(identity, None, Id()), _timed(empty, now()))


@post("/compose", request_max_body_size=_UPLOADS_BYTES)
async def create(request: Asking, identity: Me) -> Response[Any]:
    """Whatever the pressed button says, with a new post."""
    form = await request.form()
    return await _submit(_sheet(identity, None, form), form)


@get("/posts/{post_id:str}/edit")
async def edit(identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """The composer with an existing post; of one that went out, the offer to make a new one."""
    try:
        known = await posts.editable(identity.workspace, forms.to_id(post_id))
    except GoneOut:
        return page("gone_out.html", me=identity, section="posts", post_id=post_id)
    sheet = Sheet(identity, known.id, Id(), known.revision)
    draft = await posts.draft_of(identity.workspace, known.id)
    return await _show(sheet, _timed(draft, now()))


@get("/posts/{post_id:str}/duplicate")
async def duplicate(identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """A new composer that begins with what another post says."""
    draft = await posts.draft_of(identity.workspace, forms.to_id(post_id))
    return await _show(Sheet(identity, None, Id()), _timed(replace(draft, date="", time=""), now()))


@post("/posts/{post_id:str}/edit", request_max_body_size=_UPLOADS_BYTES)
async def update(request: Asking, identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """Whatever the pressed button says, with an existing post."""
    form = await request.form()
    return await _submit(_sheet(identity, forms.to_id(post_id), form), form)


def _sheet(identity: Identity, post_id: Id | None, form: FormMultiDict) -> Sheet:
    """The page that the form was sent from. A form without a nonce gets its own."""
    given = {name: Id(value) for name in ("nonce", "revision") if Id.is_valid(value := form.get(name))}
    return Sheet(identity, post_id, given.get("nonce", Id()), given.get("revision"), form.get("sure") == "yes")


@post("/compose/preview", status_code=200)
async def preview(request: Asking, identity: Me) -> Response[Any]:
    """Only the preview column, for htmx while the person types."""
    previews = await posts.previews(identity.workspace, forms.draft(await request.form()))
    return page("compose.html", block="preview", previews=previews)


@get("/compose/media/{media_id:str}")
async def media_item(identity: Me, media_id: FromPath[str]) -> Response[Any]:
    """One picture as the composer lists it: what a script puts where it has uploaded a file. Raises ``NotFound``."""
    file = await files.get(identity.workspace, forms.to_id(media_id))
    return page("media_item.html", media=steps.begun(file))


async def _submit(sheet: Sheet, form: FormMultiDict) -> Response[Any]:
    """Files that were chosen are kept in any case; then the button acts, or the page comes back with what was typed."""
    draft = forms.draft(form)
    added, problems = await forms.add_uploads(sheet.identity.workspace, sheet.identity.user, form)
    fetched = await imports.gathered(sheet.identity, form)
    draft = replace(draft, attachments=(*draft.attachments, *added, *fetched.there))
    action, _, subject = form.get("action", "preview").partition(":")
    if action == "pick" and not problems:
        draft, problems = await picking.added(sheet.identity, form, draft)
    if problems:
        return await _show(sheet, draft, problems=problems, fetched=fetched, status=422)
    if action == "library":
        return await picking.offer(sheet.identity, form, draft, fetched, address=sheet.address, count=subject)
    if action not in ("now", "schedule", "draft"):
        refused, status = ({"address": fetched.problem}, 422) if fetched.problem else ({}, 200)
        draft, opened = steps.changed(draft, action, subject), subject.partition(":")[0]
        return await _show(sheet, draft, problems=refused, fetched=fetched, opened=opened, status=status)
    if fetched.missing:
        return await _show(sheet, draft, problems={"address": fetched.missing}, fetched=fetched, status=422)
    return await _finish(sheet, draft, action)


async def _finish(sheet: Sheet, draft: Draft, action: str) -> Response[Any]:
    """Save it and go to the post, or say what keeps it from being saved."""
    try:
        saved = await _save(sheet, draft, action)
    except Invalid as invalid:
        return await _show(sheet, draft, problems=invalid.problems, status=422)
    except (Unsure, NotFound, TooLate) as why:
        return await _not_saved(sheet, draft, why)
    return Redirect(f"/posts/{saved.id}", status_code=303)


async def _save(sheet: Sheet, draft: Draft, action: str) -> Post:
    verb = {"now": posts.publish_now, "schedule": posts.schedule, "draft": posts.save_draft}[action]
    who = sheet.identity
    return await verb(who.workspace, who.user, draft, sheet.target)


async def _not_saved(sheet: Sheet, draft: Draft, why: Exception) -> Response[Any]:
    """Nothing was saved and nothing typed is lost: the page says what is the case now, and what another press would do."""
    if isinstance(why, Unsure):
        return await _show(replace(sheet, sure=True), draft, notice=_CANCELED, status=409)
    about = sheet.post_id or sheet.new_id
    try:
        known = await posts.editable(sheet.identity.workspace, about)
    except NotFound:
        return await _show(_afresh(sheet), draft, notice=_DELETED, status=404)
    except GoneOut:
        return await _show(_afresh(sheet), draft, notice=replace(_GONE_OUT, about=about), status=409)
    if isinstance(why, Conflict):
        newer = Sheet(sheet.identity, known.id, Id(), known.revision)
        return await _show(newer, draft, notice=await _two_versions(sheet.identity, known), status=409)
    notice = _PARTLY_OUT if isinstance(why, GoneOut) else Notice("Nothing was saved", str(why))
    return await _show(sheet, draft, notice=replace(notice, about=about), status=409)


def _afresh(sheet: Sheet) -> Sheet:
    """For a new post of the same words."""
    return Sheet(sheet.identity, None, Id())


async def _two_versions(identity: Identity, theirs: Post) -> Notice:
    pictures = await posts.attached(identity.workspace, theirs.attachments)
    apart = {one.account_id: one.attachments for one in theirs.variants if one.attachments is not None}
    own = {account: await posts.attached(identity.workspace, attachments) for account, attachments in apart.items()}
    return replace(_TWO_VERSIONS, about=theirs.id, theirs=theirs, pictures=pictures, own=own)


async def _show(
    sheet: Sheet,
    draft: Draft,
    *,
    problems: Mapping[str, str] | None = None,
    notice: Notice | None = None,
    opened: str = "",
    fetched: Imports = imports.NONE,
    status: int = 200,
) -> Response[Any]:
    """The page. ``opened`` is an account whose section is shown open."""
    workspace = sheet.identity.workspace
    connected = await profiles.listed(workspace)
    files = await posts.attached(workspace, draft.attachments)
    gone = (
        {"media": "A file of this post no longer exists. It goes out without it, unless you add another."}
        if len(files) < len(draft.attachments)
        else {}
    )
    previews = await posts.previews(workspace, draft)
    options = {each.id: REGISTRY[each.platform].capabilities_for(each.limits).options for each in connected}
    return page(
        "compose.html",
        status=status,
        me=sheet.identity,
        section="compose",
        heading="Edit the post" if sheet.post_id else "New post",
        address=sheet.address,
        nonce=sheet.new_id,
        revision=sheet.base,
        sure=sheet.sure,
        notice=notice,
        out=await _out(sheet),
        accounts=connected,
        registry=REGISTRY,
        options=options,
        customised={each.id for each in connected if each.id == opened or steps.is_customised(draft, each.id, options[each.id])},
        draft=draft,
        attached=files,
        own_files=await steps.offered(workspace, draft, files),
        needs=steps.needs(previews),
        refused=steps.refused(draft, problems or {}),
        imports=fetched,
        previews=previews,
        problems={**gone, **(problems or {})},
    )


async def _out(sheet: Sheet) -> Sequence[Account]:
    """Accounts on which the post is already: what is changed does not reach them."""
    if sheet.post_id is None:
        return ()
    with contextlib.suppress(NotFound):
        view = await posts.view(sheet.identity.workspace, sheet.post_id)
        return [each.account for each in view.deliveries if each.delivery.state == State.PUBLISHED]
    return ()


def _timed(draft: Draft, at: datetime) -> Draft:
    """``draft`` with the next full hour if it has no time, or one that has passed: *Schedule* is then one press away."""
    if draft.date and f"{draft.date}T{draft.time}" >= f"{local(at, draft.zone):%Y-%m-%dT%H:%M}":
        return draft
    hour = next_full_hour(at, draft.zone)
    return replace(draft, date=f"{hour:%Y-%m-%d}", time=f"{hour:%H:%M}")


router = Router("/", route_handlers=[new, create, edit, duplicate, update, preview, media_item])
