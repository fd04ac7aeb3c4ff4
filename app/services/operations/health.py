"""Whether this process can do its work, for load balancers and operators."""

from pymongo.errors import PyMongoError

from app import runtime


async def check() -> dict[str, str]:
    """Component to ``"ok"`` or a sentence. The broker is left out on purpose: without it forms work and deliveries wait."""
    try:
        await runtime.current().client.admin.command("ping")
    except PyMongoError as error:
        return {"database": f"does not answer ({type(error).__name__})"}
    return {"database": "ok"}
