"""Folders for files that are opened, and what is left of them by who was killed."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from app import workrooms

_WORKER = """
import asyncio, time
from app import workrooms
async def work():
    async with workrooms.opened() as room:
        (room / "source").write_bytes(b"a film")
        print(room, flush=True)
        time.sleep(60)
asyncio.run(work())
"""


@pytest.fixture
def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where rooms are, of all processes of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


async def test_a_room_is_gone_with_its_block(rooms: Path) -> None:
    async with workrooms.opened() as room:
        (room / "source").write_bytes(b"a film")
        assert room.parent == rooms
    assert list(rooms.iterdir()) == []


async def test_the_next_one_removes_what_a_killed_process_left_and_nothing_of_who_works(rooms: Path) -> None:
    foreign = rooms / "carillon-of-somebody-else"
    foreign.mkdir()
    workers = [subprocess.Popen([sys.executable, "-c", _WORKER], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        killed, busy = [Path(worker.stdout.readline().strip()) for worker in workers if worker.stdout]
        workers[0].kill()
        workers[0].wait()
        async with workrooms.opened() as room:
            assert sorted(rooms.iterdir()) == sorted([foreign, busy, room])
        assert not killed.exists()
        assert (busy / "source").read_bytes() == b"a film"
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            if worker.stdout:
                worker.stdout.close()
