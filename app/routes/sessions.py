"""Signing in and out."""

from typing import Annotated, Any

from litestar import Router, get, post
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.params import QueryParameter
from litestar.response import Redirect, Response

from app import runtime
from app.errors import Invalid
from app.routes import forms
from app.routes.security import Asking, session_cookie
from app.routes.templating import page
from app.services.people import users

_TRIES_A_MINUTE = 10


def _inside(address: str) -> str:
    """``address`` if it is a path of ours, else the start page: a link from elsewhere must not lead out again."""
    outward = not address.startswith("/") or address.startswith(("//", "/\\")) or any(mark in address for mark in "\r\n\t")
    return "/" if outward else address


def _show(answers: dict[str, str], problems: dict[str, str], status: int = 200) -> Response[Any]:
    given = {"email": "", "next": "/", **answers}
    return page("sign_in.html", status=status, answers=given, problems=problems)


@get("/sign-in")
async def form(request: Asking, back: Annotated[str, QueryParameter(name="next")] = "/") -> Response[Any]:
    """The sign-in page; before there is an owner, the set-up page."""
    if not await users.any_exists():
        return Redirect("/setup", status_code=303)
    if request.user is not None:
        return Redirect(_inside(back), status_code=303)
    return _show({"next": _inside(back)}, {})


@post("/sign-in", middleware=[RateLimitConfig(rate_limit=("minute", _TRIES_A_MINUTE), store="sign_in_tries").middleware])
async def create(request: Asking) -> Response[Any]:
    """Check the password and set the cookie."""
    answers = await forms.read(request)
    try:
        token = await users.sign_in(answers.get("email", ""), answers.get("password", ""))
    except Invalid as invalid:
        return _show(answers, invalid.problems, status=422)
    cookie = session_cookie(token, runtime.current().settings)
    return Redirect(_inside(answers.get("next", "/")), status_code=303, cookies=[cookie])


@post("/sign-out")
async def delete(request: Asking) -> Response[Any]:
    """Forget this browser."""
    if request.auth:
        await users.sign_out(request.auth)
    return Redirect("/sign-in", status_code=303, cookies=[session_cookie("", runtime.current().settings)])


router = Router("/", route_handlers=[form, create, delete])
