"""``python -m platforms.sandbox --port 8001 --store sandbox.db``: the sandbox on its own loopback port."""

import argparse
from pathlib import Path

import uvicorn

from platforms.sandbox.server import create_sandbox

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m platforms.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--store", type=Path, help="database file; without it nothing survives a restart")
    options = parser.parse_args()
    uvicorn.run(
        create_sandbox(store=options.store, dates=True),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        date_header=False,
    )
