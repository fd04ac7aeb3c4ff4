"""The harness's own parts: its plan, its verdicts, its wires."""

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any

import bson
import pytest

from tests.chaos import plan
from tests.chaos.cuts import DatabaseCuts, NetworkCuts
from tests.chaos.judge import Verdict, judge
from tests.chaos.plan import KEYLESS
from tests.chaos.wire import When, Wire, chunks
from tests.chaos.writes import Reader

# --- the plan ---------------------------------------------------------------------------------------------------------


def test_a_seed_stands_for_one_sequence() -> None:
    first, again, other = (plan.make(seed, 300, plan.scenarios()) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_every_scenario_comes_once_before_any_comes_twice() -> None:
    known = plan.scenarios()
    waves = plan.make(7, len(known), plan.scenarios())
    assert sorted(run.scenario for wave in waves for run in wave.runs) == sorted(known)


def test_the_runs_of_a_wave_share_their_scene() -> None:
    waves = plan.make(7, 500, plan.scenarios())
    assert all({run.scenario.scene for run in wave.runs} == {wave.scene} for wave in waves)
    assert [run.number for wave in waves for run in wave.runs] == list(range(1, 501))


def test_a_network_without_keys_is_spared_only_what_nobody_could_know() -> None:
    everywhere = {(one.fault, one.step) for one in plan.scenarios()}
    spared = everywhere - {(one.fault, one.step) for one in plan.scenarios() if one.network == KEYLESS}
    assert {fault for fault, _ in spared} == {"overtaken worker", "clock 5 min ahead", "one worker 100 s ahead"}


# --- the judge --------------------------------------------------------------------------------------------------------


def delivery(state: str, remote_id: str | None = None, **more: Any) -> dict[str, Any]:
    receipt = {"remote_id": remote_id, "url": ""} if remote_id else None
    return {"state": state, "parts": [{"receipt": receipt}], "undecidable": False, **more}


@pytest.mark.parametrize(
    ("told", "posts", "verdict"),
    [
        (delivery("published", "1"), ["1"], Verdict.ONCE),
        (delivery("published", "1"), ["1", "2"], Verdict.DUPLICATE),
        (delivery("scheduled"), ["1", "2"], Verdict.DUPLICATE),
        (delivery("published", "1"), [], Verdict.LOST),
        (delivery("published", "1"), ["2"], Verdict.LOST),
        (delivery("failed"), [], Verdict.LOST),
        (delivery("dead"), ["1"], Verdict.LOST),
        (delivery("unconfirmed", undecidable=True), ["1"], Verdict.UNDECIDED),
        (delivery("unconfirmed"), ["1"], Verdict.STUCK),
        (delivery("queued"), [], Verdict.STUCK),
        (None, [], Verdict.STUCK),
    ],
)
def test_only_one_post_that_carillon_names_is_published_once(
    told: dict[str, Any] | None, posts: list[str], verdict: Verdict
) -> None:
    assert judge(told, [{"id": post} for post in posts]) is verdict


# --- the wires --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def heard() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every line with *done*; its port, and what it has heard."""
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            lines.append(line)
            writer.write(b"done\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], lines
    server.close()


@pytest.mark.parametrize(("when", "arrived"), [(When.BEFORE, []), (When.AFTER, [b"ring\n"])])
async def test_a_cut_wire_loses_the_request_or_only_its_answer(
    heard: tuple[int, list[bytes]], when: When, arrived: list[bytes]
) -> None:
    port, lines = heard
    cuts = NetworkCuts()
    cut = cuts.order(when, "ring")
    wire = await Wire(port, chunks, cuts.look).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"ring\n")
    with pytest.raises(ConnectionResetError):
        await reader.readline()
    assert (lines, cut.made) == (arrived, True)
    await wire.stop()


async def test_a_wire_carries_what_is_not_to_be_cut(heard: tuple[int, list[bytes]]) -> None:
    wire = await Wire(heard[0], chunks, NetworkCuts().look).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"ring\n")
    assert await reader.readline() == b"done\n"
    writer.close()
    await wire.stop()


# --- reading the database's wire --------------------------------------------------------------------------------------


def message(command: dict[str, Any], **sequences: list[dict[str, Any]]) -> bytes:
    """One OP_MSG as drivers send it (MongoDB wire protocol)."""
    body = b"\x00" + bson.encode(command)
    for name, documents in sequences.items():
        content = name.encode() + b"\x00" + b"".join(map(bson.encode, documents))
        body += b"\x01" + struct.pack("<i", len(content) + 4) + content
    return struct.pack("<iiiii", len(body) + 20, 1, 0, 2013, 0) + body


def test_a_claim_is_recognised_as_that_of_a_post_whose_delivery_was_seen() -> None:
    reader = Reader()
    made = reader.understand(message({"insert": "deliveries"}, documents=[{"_id": "d", "post_id": "p"}]))
    query, change = {"_id": "d", "state": "queued"}, {"$set": {"state": "publishing"}, "$inc": {"attempts": 1}}
    claimed = reader.understand(message({"findAndModify": "deliveries", "query": query, "update": change}))
    assert made is not None
    assert claimed is not None
    assert [(write.name, write.about) for write in (made, claimed)] == [("delivery made", {"p"}), ("claimed", {"p"})]


def test_reads_and_other_collections_are_no_writes_of_the_flow() -> None:
    reader = Reader()
    assert reader.understand(message({"find": "deliveries"})) is None
    assert reader.understand(message({"insert": "media"}, documents=[{"_id": "m"}])) is None


def test_a_cut_is_made_once_and_at_its_own_post() -> None:
    cuts = DatabaseCuts()
    cut = cuts.order("post made", When.AFTER, "p2")
    looks = [cuts.look(message({"insert": "posts"}, documents=[{"_id": post}])) for post in ("p1", "p2", "p2")]
    assert (looks, cut.made) == ([None, When.AFTER, None], True)
