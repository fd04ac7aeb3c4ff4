"""The composer: one page for a new post and for editing, with a preview for every chosen account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from litestar import Router, get, post
from litestar.datastructures import FormMultiDict
from litestar.params import FromPath
from litestar.response import Redirect, Response

from app.errors import Invalid, TooLate
from app.ids import Id
from app.models import Post, now
from app.routes import forms
from app.routes.security import Asking, Me
from app.routes.templating import page
from app.services.accounts import profiles
from app.services.media.files import MAX_UPLOAD_BYTES
from app.services.people.users import Identity
from app.services.writing import posts
from app.services.writing.posts import Draft
from app.zones import local
from platforms import REGISTRY
from platforms.base import Option

_UPLOADS_BYTES = 4 * MAX_UPLOAD_BYTES
"""Of a form with files: as many of the largest as most networks show in one post."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One composer on somebody's screen. ``new_id`` was made with the page and becomes a new post's id: a second press of the
    same button finds the post that the first one made."""

    identity: Identity
    post_id: Id | None
    new_id: Id

    @property
    def address(self) -> str:
        """Where the form is sent to."""
        return f"/posts/{self.post_id}/edit" if self.post_id else "/compose"


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
    return await _submit(Sheet(identity, None, _nonce(form)), form)


@get("/posts/{post_id:str}/edit")
async def edit(identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """The composer with an existing post."""
    sheet = Sheet(identity, forms.to_id(post_id), Id())
    draft = await posts.draft_of(identity.workspace, forms.to_id(post_id))
    return await _show(sheet, _timed(draft, now()))


@post("/posts/{post_id:str}/edit", request_max_body_size=_UPLOADS_BYTES)
async def update(request: Asking, identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """Whatever the pressed button says, with an existing post."""
    form = await request.form()
    return await _submit(Sheet(identity, forms.to_id(post_id), _nonce(form)), form)


@post("/compose/preview", status_code=200)
async def preview(request: Asking, identity: Me) -> Response[Any]:
    """Only the preview column, for htmx while the person types."""
    previews = await posts.previews(identity.workspace, forms.draft(await request.form()))
    return page("compose.html", block="preview", previews=previews)


async def _submit(sheet: Sheet, form: FormMultiDict) -> Response[Any]:
    """Files that were chosen are kept in any case; then the button acts, or the page comes back with what was typed."""
    draft = forms.draft(form)
    added, problems = await forms.add_uploads(sheet.identity.workspace, form)
    draft = replace(draft, attachments=(*draft.attachments, *added))
    action, _, subject = form.get("action", "preview").partition(":")
    if problems:
        return await _show(sheet, draft, problems=problems, status=422)
    if action not in ("now", "schedule", "draft"):
        return await _show(sheet, _changed(draft, action, subject))
    try:
        saved = await _save(sheet, draft, action)
    except Invalid as invalid:
        return await _show(sheet, draft, problems=invalid.problems, status=422)
    except TooLate as late:
        if sheet.post_id is None:  # the first press made the post, and it is on its way
            return Redirect(f"/posts/{sheet.new_id}", status_code=303)
        return await _show(sheet, draft, problems={"": late.message}, status=409)
    return Redirect(f"/posts/{saved.id}", status_code=303)


async def _save(sheet: Sheet, draft: Draft, action: str) -> Post:
    verb = {"now": posts.publish_now, "schedule": posts.schedule, "draft": posts.save_draft}[action]
    who = sheet.identity
    return await verb(who.workspace, who.user, draft, post_id=sheet.post_id, new_id=sheet.new_id)


def _changed(draft: Draft, action: str, subject: str) -> Draft:
    """The buttons that change the draft itself: take an image away, or start an own text from the shared one."""
    if action == "remove":
        return replace(draft, attachments=tuple(each for each in draft.attachments if str(each.media_id) != subject))
    if action == "copy":
        return replace(draft, texts={**draft.texts, forms.to_id(subject): draft.text})
    return draft


async def _show(sheet: Sheet, draft: Draft, *, problems: Mapping[str, str] | None = None, status: int = 200) -> Response[Any]:
    workspace = sheet.identity.workspace
    connected = await profiles.listed(workspace)
    options = {each.id: REGISTRY[each.platform].capabilities_for(each.limits).options for each in connected}
    return page(
        "compose.html",
        status=status,
        me=sheet.identity,
        section="compose",
        heading="Edit the post" if sheet.post_id else "New post",
        address=sheet.address,
        nonce=sheet.new_id,
        accounts=connected,
        registry=REGISTRY,
        options=options,
        customised={each.id for each in connected if _is_customised(draft, each.id, options[each.id])},
        draft=draft,
        attached=await posts.attached(workspace, draft.attachments),
        previews=await posts.previews(workspace, draft),
        problems=problems or {},
    )


def _is_customised(draft: Draft, account_id: Id, options: Sequence[Option]) -> bool:
    """Whether the account has words or choices of its own, so that its section is shown open."""
    chosen = draft.options.get(account_id, {})
    return account_id in draft.texts or any(chosen.get(each.key, each.default) != each.default for each in options)


def _timed(draft: Draft, at: datetime) -> Draft:
    """``draft`` with the next full hour if it has no time, or one that has passed: *Schedule* is then one press away."""
    present = local(at, draft.zone)
    if draft.date and f"{draft.date}T{draft.time}" >= f"{present:%Y-%m-%dT%H:%M}":
        return draft
    hour = (present + timedelta(minutes=70)).replace(minute=0)
    return replace(draft, date=f"{hour:%Y-%m-%d}", time=f"{hour:%H:%M}")


def _nonce(form: FormMultiDict) -> Id:
    """The id made with the page; a form without one gets its own."""
    given = form.get("nonce", "")
    return Id(given) if Id.is_valid(given) else Id()


router = Router("/", route_handlers=[new, create, edit, update, preview])
