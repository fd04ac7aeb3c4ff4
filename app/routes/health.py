"""For load balancers and container health checks."""

from litestar import Router, get
from litestar.response import Response

from app.services.operations import health


@get("/healthz")
async def check() -> Response[dict[str, str]]:
    """200 while every component answers, else 503 with a sentence for each that does not."""
    found = await health.check()
    well = all(answer == "ok" for answer in found.values())
    return Response(found, status_code=200 if well else 503, headers={"Cache-Control": "no-store"})


router = Router("/", route_handlers=[check])
