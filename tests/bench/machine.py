"""The machine a run was made on."""

import importlib.metadata
import os
import platform
from pathlib import Path

import psutil

from tests.bench.figures import Figure
from tests.bench.site import ON_MONGODB

_PACKAGES = ("dramatiq", "pymongo", "beanie", "litestar", "httpx", "aiohttp", "uvloop", "nx-27017")


def describe() -> list[Figure]:
    """Processor, memory, versions, the database, and how busy the machine was before we began."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return [
        Figure("machine", f"{len(os.sched_getaffinity(0))} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB", "", _model()),
        Figure("python", platform.python_version(), "", versions),
        Figure("engine", "mongodb" if ON_MONGODB else "embedded"),
        Figure("load_before", round(os.getloadavg()[0], 1), "", "other work on the same cores disturbs the figures"),
    ]


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
