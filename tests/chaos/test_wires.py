"""The wires between Carillon and the rest: what they cut, hold, and understand."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import AsyncMongoClient

from tests.chaos.cuts import DatabaseCuts, NetworkCuts
from tests.chaos.engine import GIVEN, missing, wired
from tests.chaos.wire import Hold, Instead, When, Wire, chunks, mongo_messages
from tests.chaos.writes import TOKENS, Reader, read_command
from tests.servers import embedded

# --- the wires --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def heard() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every line with *done*; its port, and what it has heard."""
    lines: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
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


def test_requests_are_counted_by_the_words_they_carry_until_it_is_forgotten() -> None:
    cuts = NetworkCuts()
    cuts.look(b"POST /media Alice")
    count = cuts.count("/media", "Alice")
    for data in (b"POST /media Alice", b"POST /media Bob", b"GET /posts Alice", b"POST /media Alice"):
        assert cuts.look(data) is None
    cuts.forget()
    cuts.look(b"POST /media Alice")
    assert count.number == 2


async def test_a_request_is_held_in_the_middle_where_bytes_are_that_no_other_has(heard: tuple[int, list[bytes]]) -> None:
    port, lines = heard
    cuts, hold = NetworkCuts(), Hold(When.BEFORE)
    cuts.order(hold, b"\xff\x00mark")
    wire = await Wire(port, chunks, cuts.look).start()
    _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"first half\n")
    while not lines:
        await asyncio.sleep(0.01)
    writer.write(b"\xff\x00mark\n")
    await hold.begun.wait()
    assert lines == [b"first half\n"]
    hold.ended.set()
    while len(lines) < 2:
        await asyncio.sleep(0.01)
    await wire.stop()


async def test_a_wire_carries_what_is_not_to_be_cut(heard: tuple[int, list[bytes]]) -> None:
    wire = await Wire(heard[0], chunks, NetworkCuts().look).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"ring\n")
    assert await reader.readline() == b"done\n"
    writer.close()
    await wire.stop()


@pytest.mark.parametrize(("where", "arrived"), [(When.BEFORE, []), (When.AFTER, [b"ring\n"])])
async def test_a_held_wire_stops_the_request_or_only_its_answer(
    heard: tuple[int, list[bytes]], where: When, arrived: list[bytes]
) -> None:
    cuts, hold = NetworkCuts(), Hold(where)
    cuts.order(hold, "ring")
    wire = await Wire(heard[0], chunks, cuts.look).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"ring\n")
    await hold.begun.wait()
    assert heard[1] == arrived
    hold.ended.set()
    assert await reader.readline() == b"done\n"
    await wire.stop()


async def test_in_place_of_a_request_another_arrives_and_nobody_hears_of_it(heard: tuple[int, list[bytes]]) -> None:
    wire = await Wire(heard[0], chunks, lambda _: Instead(b"toll\n")).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"ring\n")
    with pytest.raises(ConnectionResetError):
        await reader.readline()
    assert heard[1] == [b"toll\n"]
    await wire.stop()


async def test_an_unplugged_wire_breaks_what_is_open_and_lets_nobody_in_until_it_is_plugged_in(
    heard: tuple[int, list[bytes]],
) -> None:
    wire = await Wire(heard[0], chunks, NetworkCuts().look).start()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"ring\n")
    await reader.readline()
    wire.unplug()
    late, late_writer = await asyncio.open_connection("127.0.0.1", wire.port)
    for connection in (reader, late):
        with pytest.raises(ConnectionResetError):
            await connection.readline()
    late_writer.close()
    wire.plug_in()
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(b"ring\n")
    assert await reader.readline() == b"done\n"
    await wire.stop()


# --- the way to the database ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mongodb://127.0.0.1:5001/", "mongodb://127.0.0.1:99/mine?directConnection=true"),
        (
            "mongodb://127.0.0.1:5001/?replicaSet=carillon&w=majority&journal=true",
            "mongodb://127.0.0.1:99/mine?w=majority&journal=true&directConnection=true",
        ),
        (
            "mongodb://al%40ice:se%2Fcret@db1:5001,db2:5002/theirs?compressors=zlib&ReplicaSet=x",
            "mongodb://al%40ice:se%2Fcret@127.0.0.1:99/mine?authSource=theirs&directConnection=true",
        ),
        (
            "mongodb://alice:secret@db/theirs?authSource=admin",
            "mongodb://alice:secret@127.0.0.1:99/mine?authSource=admin&directConnection=true",
        ),
    ],
)
def test_the_way_by_the_wire_names_no_replica_set_and_a_database_of_its_own(url: str, expected: str) -> None:
    assert wired(url, 99, "mine") == expected


def test_a_server_with_one_database_for_all_is_not_played_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = embedded.start(tmp_path)
    monkeypatch.setenv(GIVEN, server.url)
    assert "would destroy what is there" in str(missing())
    server.stop()


@pytest.mark.parametrize("url", ["mongodb+srv://db.example.org/", "mongodb://db/?tls=true"])
def test_a_connection_that_nobody_can_read_is_not_played_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GIVEN, url)
    assert "without TLS" in str(missing())


async def test_a_driver_stays_on_the_wire_although_the_server_names_another_address() -> None:
    """A server like one of a replica set: it tells every client that its members are somewhere else."""
    hello = {
        "ok": 1,
        "isWritablePrimary": True,
        "setName": "x",
        "hosts": ["127.0.0.1:1"],
        "me": "127.0.0.1:1",
        "maxWireVersion": 21,
    }

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async for asked in mongo_messages(reader):
            writer.write(answer(asked, {**hello, "minWireVersion": 0, "secondary": False}))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    wire = await Wire(server.sockets[0].getsockname()[1], mongo_messages, DatabaseCuts().look).start()
    url = wired("mongodb://127.0.0.1:1/?replicaSet=x", wire.port, "mine")
    async with AsyncMongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=5000) as client:
        assert (await client.admin.command("ping"))["ok"] == 1
        assert await client.address == ("127.0.0.1", wire.port)
    await wire.stop()
    server.close()


# --- reading the database's wire --------------------------------------------------------------------------------------


def message(command: dict[str, Any], **sequences: list[dict[str, Any]]) -> bytes:
    """One OP_MSG as drivers send it (MongoDB wire protocol)."""
    body = b"\x00" + bson.encode(command)
    for name, documents in sequences.items():
        content = name.encode() + b"\x00" + b"".join(map(bson.encode, documents))
        body += b"\x01" + struct.pack("<i", len(content) + 4) + content
    return struct.pack("<iiiii", len(body) + 20, 1, 0, 2013, 0) + body


def answer(asked: bytes, document: dict[str, Any]) -> bytes:
    """A server's answer to the message ``asked``, in the form it came in: a connection's first hello is an OP_QUERY."""
    request, opcode = struct.unpack_from("<i", asked, 4)[0], struct.unpack_from("<i", asked, 12)[0]
    body = bson.encode(document)
    if opcode == 2013:
        return struct.pack("<iiiii", len(body) + 21, 1, request, 2013, 0) + b"\x00" + body
    return struct.pack("<iiiiiqii", len(body) + 36, 1, request, 1, 8, 0, 0, 1) + body


def test_a_claim_is_recognised_as_that_of_a_post_whose_delivery_was_seen() -> None:
    reader = Reader()
    made = reader.understand(message({"insert": "deliveries"}, documents=[{"_id": "d", "post_id": "p"}]))
    query, change = {"_id": "d", "state": "queued"}, {"$set": {"state": "publishing", "turn": "a"}}
    claimed = reader.understand(message({"findAndModify": "deliveries", "query": query, "update": change}))
    assert made is not None
    assert claimed is not None
    assert [(write.name, write.about) for write in (made, claimed)] == [("delivery made", {"p"}), ("claimed", {"p"})]


def made(reader: Reader | DatabaseCuts, *names: str) -> None:
    """Let it see how the deliveries ``d-...`` of the posts with these names are made."""
    see = reader.look if isinstance(reader, DatabaseCuts) else reader.understand
    for name in names:
        see(message({"insert": "deliveries"}, documents=[{"_id": f"d-{name}", "post_id": name}]))


def bulk(source: str, changes: dict[str, Any], *names: str) -> bytes:
    """The same move of all these posts' deliveries, each guarded as ``engine/moves`` does it."""
    updates = [{"q": {"_id": f"d-{name}", "state": source, "move_id": "m"}, "u": {"$set": changes}} for name in names]
    return message({"update": "deliveries", "ordered": False, "lsid": {"id": 1}}, updates=updates)


@pytest.mark.parametrize(
    ("source", "changes", "name"),
    [
        ("scheduled", {"state": "queued"}, "queued"),
        ("queued", {"state": "publishing", "turn": "a"}, "claimed"),
        ("publishing", {"state": "publishing", "fenced_at": 1}, "fenced"),
        ("publishing", {"state": "published", "fenced_at": 0}, "receipt saved"),
    ],
)
def test_a_bulk_is_of_all_posts_that_it_touches(source: str, changes: dict[str, Any], name: str) -> None:
    reader = Reader()
    made(reader, "p1", "p2", "p3")
    write = reader.understand(bulk(source, changes, "p1", "p2", "p3"))
    assert write is not None
    assert (write.name, write.about, write.size) == (name, {"p1", "p2", "p3"}, 3)


@pytest.mark.parametrize(
    ("source", "change", "name"),
    [
        ("publishing", {"$set": {"state": "scheduled"}}, "put back"),
        ("publishing", {"$set": {"state": "processing"}}, "processing saved"),
        ("processing", {"$set": {"state": "processing"}, "$inc": {"checks": 1}}, "look claimed"),
        ("processing", {"$set": {"state": "processing"}}, None),
        ("processing", {"$set": {"state": "published"}}, "finding saved"),
        ("processing", {"$set": {"state": "unconfirmed", "undecidable": True}}, "no name saved"),
        ("unconfirmed", {"$set": {"state": "unconfirmed", "undecidable": True}}, "no name saved"),
        ("unconfirmed", {"$set": {"state": "unconfirmed", "undecidable": False}}, None),
        ("processing", {"$set": {"state": "failed"}}, "refusal saved"),
        ("publishing", {"$set": {"state": "failed"}}, "refusal saved"),
    ],
)
def test_what_a_network_answers_bit_by_bit_is_recognised_when_it_is_written_down(
    source: str, change: dict[str, Any], name: str | None
) -> None:
    reader = Reader()
    made(reader, "p")
    found = reader.understand(
        message({"findAndModify": "deliveries", "query": {"_id": "d-p", "state": source}, "update": change})
    )
    assert (found.name if found else None) == name


def test_a_bulk_that_moves_nothing_is_no_write_of_the_flow() -> None:
    reader = Reader()
    made(reader, "p1")
    marked = message({"update": "deliveries"}, updates=[{"q": {"_id": "d-p1", "turn": "a"}, "u": {"$set": {"awaited": True}}}])
    again = bulk("queued", {"state": "queued", "emitted": 2}, "p1")
    assert (reader.understand(marked), reader.understand(again)) == (None, None)


@pytest.mark.parametrize(("names", "kept"), [(("p1", "p2", "p3"), ["d-p1"]), (("p1", "p2", "p3", "p4"), ["d-p1", "d-p2"])])
def test_of_a_bulk_the_first_half_comes_through(names: tuple[str, ...], kept: list[str]) -> None:
    cuts = DatabaseCuts()
    made(cuts, *names)
    cut = cuts.order("claimed", When.HALF, "p3")
    whole = bulk("queued", {"state": "publishing"}, *names)
    found = cuts.look(whole)
    assert isinstance(found, Instead)
    assert struct.unpack_from("<i", found.frame) == (len(found.frame),)
    before, after = read_command(whole), read_command(found.frame)
    assert before is not None
    assert after is not None
    assert [one["q"]["_id"] for one in after["updates"]] == kept
    assert {**before, "updates": after["updates"]} == after
    assert (cut.made, cuts.look(whole)) == (True, None)


def test_what_cannot_be_halved_is_waited_out() -> None:
    cuts = DatabaseCuts()
    made(cuts, "p1", "p2")
    cut = cuts.order("claimed", When.HALF, "p1")
    assert cuts.look(bulk("queued", {"state": "publishing"}, "p1")) is None
    assert not cut.made
    assert isinstance(cuts.look(bulk("queued", {"state": "publishing"}, "p1", "p2")), Instead)


def test_reads_and_other_collections_are_no_writes_of_the_flow() -> None:
    reader = Reader()
    assert reader.understand(message({"find": "deliveries"})) is None
    assert reader.understand(message({"insert": "media"}, documents=[{"_id": "m"}])) is None


def test_a_cut_is_made_once_and_at_its_own_post() -> None:
    cuts = DatabaseCuts()
    cut = cuts.order("post made", When.AFTER, "p2")
    looks = [cuts.look(message({"insert": "posts"}, documents=[{"_id": post}])) for post in ("p1", "p2", "p2")]
    assert (looks, cut.made) == ([None, When.AFTER, None], True)


def test_new_tokens_are_recognised_wherever_they_are_kept() -> None:
    reader = Reader()
    change = {"q": {"_id": "a", "session_version": 1}, "u": {"$set": {"sealed": "..."}}}
    query = {"findAndModify": "grants", "query": {"_id": "g"}, "update": {"$set": {"sealed": "..."}}}
    found = [reader.understand(message({"update": "accounts"}, updates=[change])), reader.understand(message(query))]
    assert [(write.name, write.about) for write in found if write] == [(TOKENS, {"a"}), (TOKENS, {"g"})]
