"""The ``carillon`` command: the one place where web and actors meet.

carillon run       everything in one process, for trying out and for one person
carillon sandbox   only the sandbox networks, on their own port
carillon storage setup   tell the bucket what it has to know, or say what to do by hand
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn
import uvloop
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from actors.embedded import run
from actors.embedded_database import CannotStart
from app.settings import PREFIX, StorageSettings
from app.storage.setup import set_up
from platforms.sandbox.server import create_sandbox


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and do it; exits with 1 and one sentence when it cannot start."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    for chatty in ("httpx", "dramatiq", "pymongo", "pika"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if options.command == "sandbox":
        uvicorn.run(create_sandbox(store=options.store), host=options.host, port=options.port, log_level="warning")
        return
    if options.command == "storage":
        sys.exit(_set_up_storage())
    try:
        uvloop.run(run(host=options.host, port=options.port, folder=options.data_dir))
    except CannotStart as error:
        sys.exit(f"carillon: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="carillon", description="Publish once, on time, to every network.")
    commands = parser.add_subparsers(dest="command", required=True)
    everything = commands.add_parser("run", help="web, workers, database and sandbox networks in one process")
    everything.add_argument("--host", default=os.environ.get("HOST", "0.0.0.0"), help="address to listen on (HOST)")  # noqa: S104
    everything.add_argument("--port", type=_port, default=os.environ.get("PORT", "8000"), help="port to listen on (PORT)")
    everything.add_argument("--data-dir", type=Path, default=Path(os.environ.get("CARILLON_DATA_DIR", "data")))
    sandbox = commands.add_parser("sandbox", help="the sandbox networks alone")
    sandbox.add_argument("--host", default="127.0.0.1")
    sandbox.add_argument("--port", type=_port, default=8001)
    sandbox.add_argument("--store", type=Path, help="database file; without it nothing survives a restart")
    storage = commands.add_parser("storage", help="the bucket for uploaded media")
    tasks = storage.add_subparsers(dest="task", required=True)
    tasks.add_parser("setup", help="write its CORS and lifecycle rules, and say what to do by hand")
    return parser


def _set_up_storage() -> int:
    """Say what became of each thing; 1 if something failed."""
    try:
        lines = set_up(StorageSettings())
    except ValidationError as error:
        sys.exit("\n".join(f"carillon: {_sentence(problem)}" for problem in error.errors()))
    for line in lines:
        print(f"{line.state + ':':9} {line.text}")
    return int(any(line.state == "failed" for line in lines))


def _sentence(problem: ErrorDetails) -> str:
    """A setting's problem with the variable's name, and without its value."""
    name = "".join(f"{PREFIX}{field}: ".upper() for field in problem["loc"])
    return name + problem["msg"].removeprefix("Value error, ")


def _port(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) < 65536:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text} is no port; use a number from 1 to 65535")
    return int(text)


if __name__ == "__main__":
    main()
