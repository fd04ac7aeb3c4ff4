"""Written posts: the list, one post's page, and what people do with it."""

import contextlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from litestar import Router, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Response

from app.errors import Invalid, TooLate, Unsure
from app.ids import Id
from app.models import FINAL, now
from app.routes import forms
from app.routes.security import Asking, Me, Place
from app.routes.templating import page
from app.services.accounts import profiles
from app.services.people import workspaces
from app.services.people.users import Identity
from app.services.writing import posts, remedies, watching
from app.services.writing.posts import Draft, PostView
from app.zones import local
from platforms import REGISTRY

_PAGE = 20
_FILTERS = (("", "All"), ("scheduled", "Scheduled"), ("published", "Published"), ("needs-you", "Needs you"), ("drafts", "Drafts"))
_SOON = timedelta(minutes=2)


@get("/")
async def start(identity: Me) -> Response[Any]:
    """The posts; before the first account, the page that connects one."""
    return Redirect("/posts" if await profiles.listed(identity.workspace) else "/accounts", status_code=303)


@get("/posts")
async def index(
    identity: Me, done: FromQuery[str] = "", status: FromQuery[str] = "", before: FromQuery[str] = ""
) -> Response[Any]:
    """The newest posts first, twenty to a page."""
    current = status if status in dict(_FILTERS) else ""
    found = await posts.listed(
        identity.workspace,
        status=current.replace("-", " ") or None,
        before=forms.to_id(before) if before else None,
        limit=_PAGE + 1,
    )
    shown = found[:_PAGE]
    return page(
        "posts.html",
        me=identity,
        section="posts",
        views=shown,
        covers=await posts.covers(identity.workspace, shown),
        filters=_FILTERS,
        current=current,
        paged=bool(before),
        older=shown[-1].post.id if len(found) > _PAGE else None,
        done=_done(done),
        repeatable=[(REGISTRY[name], number) for name, number in (await remedies.dead_platforms(identity.workspace)).items()]
        if current == "needs-you"
        else [],
    )


def _done(what: str) -> str | None:
    """The sentence for what was done on the page before."""
    if what == "deleted":
        return "The post is deleted."
    number = what.removeprefix("sent-again-")
    if number == what or not number.isdecimal():
        return None
    words = {"0": "Nothing was left to send again.", "1": "It is on its way again."}
    return words.get(number, f"{number} are on their way again.")


@get("/posts/{post_id:str}")
async def show(identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """One post, and what became of it on every account."""
    return await _show(identity, post_id)


@get("/posts/{post_id:str}/status")
async def status(member: Place, post_id: FromPath[str], seen: FromQuery[str] = "") -> Response[Any]:
    """The status block for htmx. 204 while nothing is new: the page then keeps what is unfolded or half typed."""
    asked = forms.to_id(post_id)
    if await watching.unchanged(member.workspace_id, asked, seen=seen):
        return _unchanged()
    workspace = await workspaces.of(member)
    context = _status_context(await posts.view(workspace, asked))
    if context["seen"] == seen:
        return _unchanged()
    attached = await posts.attached(workspace, context["view"].attachments)
    return page("post.html", block="status", problems={}, alone=True, attached=attached, **context)


def _unchanged() -> Response[Any]:
    return Response(None, status_code=204, headers={"Cache-Control": "no-store"})


@post("/posts/{post_id:str}/cancel")
async def cancel(identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """Stop what has not been sent."""
    return await _act(identity, post_id, posts.cancel(identity.workspace, forms.to_id(post_id)))


@post("/posts/{post_id:str}/reschedule")
async def reschedule(request: Asking, identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """Another time for what has not been sent."""
    given = await forms.read(request)
    plan = Draft(date=given.get("date", ""), time=given.get("time", ""), zone=given.get("zone", ""))
    revision = given.get("revision", "")
    act = posts.reschedule(
        identity.workspace,
        forms.to_id(post_id),
        date=plan.date,
        time=plan.time,
        zone=plan.zone,
        base=Id(revision) if Id.is_valid(revision) else None,
        sure=given.get("sure") == "yes",
    )
    after_all = f"This post was canceled. Is it to go out after all, on {_wall(plan)} ({plan.zone.replace('_', ' ')})?"
    return await _act(identity, post_id, act, plan=plan, ask=Question(f"/posts/{post_id}/reschedule", given, after_all))


def _wall(plan: Draft) -> str:
    """The chosen time in words."""
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(f"{plan.date}T{plan.time}").strftime("%-d %B %Y, %H:%M")
    return f"{plan.date} {plan.time}"


@post("/posts/{post_id:str}/delete")
async def delete(identity: Me, post_id: FromPath[str]) -> Response[Any]:
    """Remove a post that is nowhere."""
    act = posts.delete(identity.workspace, forms.to_id(post_id))
    return await _act(identity, post_id, act, then="/posts?done=deleted")


@post("/posts/{post_id:str}/deliveries/{delivery_id:str}/send-again")
async def send_again(request: Asking, identity: Me, post_id: FromPath[str], delivery_id: FromPath[str]) -> Response[Any]:
    """Once more, now."""
    sure = (await forms.read(request)).get("sure") == "yes"
    act = remedies.send_again(identity.workspace, forms.to_id(delivery_id), sure=sure)
    address = f"/posts/{post_id}/deliveries/{delivery_id}/send-again"
    return await _act(identity, post_id, act, ask=Question(address, {}, about=Id(delivery_id)))


@post("/posts/send-again/{platform:str}")
async def send_all_again(identity: Me, platform: FromPath[str]) -> Response[Any]:
    """Every dead letter of one platform, once more, now."""
    number = await remedies.send_all_again(identity.workspace, platform)
    return Redirect(f"/posts?status=needs-you&done=sent-again-{number}", status_code=303)


@post("/posts/{post_id:str}/deliveries/{delivery_id:str}/drop")
async def drop(identity: Me, post_id: FromPath[str], delivery_id: FromPath[str]) -> Response[Any]:
    """It was missed, or nobody can say what became of it, and it is not wanted any more."""
    return await _act(identity, post_id, remedies.drop(identity.workspace, forms.to_id(delivery_id)))


@post("/posts/{post_id:str}/deliveries/{delivery_id:str}/confirm")
async def confirm(request: Asking, identity: Me, post_id: FromPath[str], delivery_id: FromPath[str]) -> Response[Any]:
    """The person found it on the network."""
    url = (await forms.read(request)).get("url", "")
    act = remedies.confirm(identity.workspace, forms.to_id(delivery_id), url=url)
    return await _act(identity, post_id, act, link=Link(Id(delivery_id), url))


@post("/posts/{post_id:str}/deliveries/{delivery_id:str}/deny")
async def deny(identity: Me, post_id: FromPath[str], delivery_id: FromPath[str]) -> Response[Any]:
    """The person looked, and it is not there."""
    return await _act(identity, post_id, remedies.deny(identity.workspace, forms.to_id(delivery_id)))


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked before it is done: the form that does it, sent to ``address`` with ``fields`` once more.

    ``about`` is the one delivery that it is about, if it is not about all.
    """

    address: str
    fields: Mapping[str, str]
    text: str = ""
    about: Id | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """An address that was pasted as the post of one delivery, and refused: it is shown again with the reason."""

    delivery_id: Id
    url: str


async def _act(
    identity: Identity,
    post_id: str,
    action: Awaitable[object],
    *,
    then: str | None = None,
    plan: Draft | None = None,
    ask: Question | None = None,
    link: Link | None = None,
) -> Response[Any]:
    """Do it and go back to the post; if it cannot be done, or not without a question, the post's page says why."""
    try:
        await action
    except Unsure as unsure:
        question = replace(ask, text=ask.text or unsure.message) if ask else None
        return await _show(identity, post_id, question=question, plan=plan, status=409)
    except TooLate as late:
        return await _show(identity, post_id, problems={"": late.message}, plan=plan, status=409)
    except Invalid as invalid:
        return await _show(identity, post_id, problems=invalid.problems, plan=plan, link=link, status=422)
    return Redirect(then or f"/posts/{post_id}", status_code=303)


async def _show(
    identity: Identity,
    post_id: str,
    *,
    problems: Mapping[str, str] | None = None,
    question: Question | None = None,
    plan: Draft | None = None,
    link: Link | None = None,
    status: int = 200,
) -> Response[Any]:
    view = await posts.view(identity.workspace, forms.to_id(post_id))
    return page(
        "post.html",
        status=status,
        me=identity,
        section="posts",
        attached=await posts.attached(identity.workspace, view.attachments),
        problems=problems or {},
        question=question,
        alone=False,
        **_status_context(view, plan, link),
    )


def _status_context(view: PostView, plan: Draft | None = None, link: Link | None = None) -> dict[str, Any]:
    """What the block ``status`` needs; ``plan`` and ``link`` hold a refused new time, or address, as it was typed."""
    at = now()
    marks = {"seen": watching.mark(view, at), "poll_every": poll_every(view, at)}
    return {"view": view, **marks, "plan": plan or _plan(view), "link": link}


def poll_every(view: PostView, at: datetime) -> int | None:
    """Seconds between two looks at a post: often while something happens, seldom before its time, never when it is over."""
    if view.final:
        return None
    next_due = min(each.delivery.due_at for each in view.deliveries if each.delivery.state not in FINAL)
    return 20 if view.status == "scheduled" and next_due - at > _SOON else 2


def _plan(view: PostView) -> Draft:
    """The planned time as the reschedule form shows it."""
    wall = local(view.planned_at or now(), view.zone)
    return Draft(date=f"{wall:%Y-%m-%d}", time=f"{wall:%H:%M}", zone=view.zone)


router = Router(
    "/",
    route_handlers=[start, index, show, cancel, reschedule, delete, send_again, send_all_again, drop, confirm, deny],
)

watched = Router("/", route_handlers=[status])
"""What an open page asks for again and again."""
