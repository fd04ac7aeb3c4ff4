"""The part of MongoDB that Carillon relies on, on every engine that can be had here.

The embedded engine is not MongoDB: some of what it does not know it gets wrong without an error. ``$push`` of a document stores a
string, an ``ObjectId`` inside a document is not found, two dates within one second compare as equal. So the services use what is
proved here and nothing else: ``PROVED`` in ``spoken.py`` names it, and any other operator fails the test that sends it.
"""

import asyncio
import json
import multiprocessing
import re
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel, MongoClient, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from app import database as app_database
from app.ids import Id
from app.models import ALL

Document = dict[str, Any]
NOON = datetime(2026, 9, 20, 12, 0, 0, 123_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TOKEN = Id()
WORKERS = 4


def job(number: int = 0, **facts: Any) -> Document:
    """A document shaped like a delivery."""
    due_at = NOON + timedelta(minutes=number)
    return {"_id": Id(), "number": number, "state": "scheduled", "due_at": due_at, "attempts": 0, **facts}


@pytest.fixture
async def jobs(database: AsyncDatabase[Document]) -> AsyncCollection[Document]:
    """An empty collection with a delivery's kinds of index."""
    collection = await database.create_collection("jobs")
    await collection.create_indexes(
        [
            IndexModel([("post", ASCENDING), ("account", ASCENDING)], name="post_account", unique=True),
            IndexModel([("state", ASCENDING), ("due_at", ASCENDING)], name="due"),
        ]
    )
    return collection


async def insert(jobs: AsyncCollection[Document], *documents: Document) -> None:
    await jobs.insert_many([{"post": document["_id"], "account": Id(), **document} for document in documents])


async def found(jobs: AsyncCollection[Document], query: Document) -> list[int]:
    """Numbers of the documents that match, in order."""
    return sorted([document["number"] async for document in jobs.find(query)])


# --- once, and only once ----------------------------------------------------------------------------------------------


async def claim(jobs: AsyncCollection[Document], worker: int) -> Document | None:
    return await jobs.find_one_and_update(
        {"state": "scheduled"},
        {"$set": {"state": "queued", "worker": worker}, "$inc": {"attempts": 1}},
        return_document=ReturnDocument.AFTER,
    )


async def test_of_many_tasks_that_claim_one_document_one_succeeds(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job())
    claims = await asyncio.gather(*(claim(jobs, worker) for worker in range(20)))
    winners = [document for document in claims if document]
    assert len(winners) == 1
    stored = await jobs.find_one({"_id": winners[0]["_id"]})
    assert stored == winners[0]
    assert stored["attempts"] == 1


def claim_all(url: str, name: str, worker: int) -> list[int]:
    """In a process of its own: claim until nothing is left."""
    with MongoClient[Document](url) as client:
        mine = []
        while claimed := client[name].jobs.find_one_and_update(
            {"state": "scheduled"}, {"$set": {"state": "queued", "worker": worker}}
        ):
            mine.append(claimed["number"])
        return mine


def insert_all(url: str, name: str, numbers: Iterable[int]) -> int:
    """In a process of its own: how many of these ids were free."""
    inserted = 0
    with MongoClient[Document](url) as client:
        for number in numbers:
            try:
                client[name].jobs.insert_one({"_id": f"{number:028x}", "post": number, "account": 1})
                inserted += 1
            except DuplicateKeyError:
                continue
    return inserted


@pytest.fixture(scope="module")
def processes() -> Iterable[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


async def in_processes(pool: ProcessPoolExecutor, work: Any, *arguments: Any, last: list[Any]) -> list[Any]:
    """``work(*arguments, each of last)`` at the same time in as many processes."""
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(loop.run_in_executor(pool, work, *arguments, each) for each in last))


async def test_processes_that_claim_share_the_documents_without_overlap(
    jobs: AsyncCollection[Document], engine_url: str, processes: ProcessPoolExecutor
) -> None:
    await insert(jobs, *(job(number) for number in range(120)))
    shares = await in_processes(processes, claim_all, engine_url, jobs.database.name, last=list(range(WORKERS)))
    assert sorted(number for share in shares for number in share) == list(range(120))


async def test_processes_that_insert_the_same_ids_insert_each_once(
    jobs: AsyncCollection[Document], engine_url: str, processes: ProcessPoolExecutor
) -> None:
    counts = await in_processes(processes, insert_all, engine_url, jobs.database.name, last=[range(60)] * WORKERS)
    assert sum(counts) == 60
    assert await jobs.count_documents({}) == 60


async def test_a_second_document_with_the_same_unique_pair_is_refused(jobs: AsyncCollection[Document]) -> None:
    first = job(post=1, account=1)
    await insert(jobs, first, job(post=1, account=2))
    with pytest.raises(DuplicateKeyError):
        await jobs.insert_one(job(post=1, account=1))
    with pytest.raises(DuplicateKeyError):
        await jobs.update_one({"account": 2}, {"$set": {"account": 1}})
    assert await jobs.count_documents({}) == 2


async def test_an_index_over_a_part_of_the_documents_guards_only_that_part(jobs: AsyncCollection[Document]) -> None:
    texts = {"remote_id": {"$gt": ""}}
    keys = [("account", ASCENDING), ("remote_id", ASCENDING)]
    await jobs.create_index(keys, name="receipt", unique=True, partialFilterExpression=texts)
    await insert(jobs, *(job(number, account=1, remote_id=None) for number in range(3)))
    await jobs.update_one({"number": 0}, {"$set": {"remote_id": "a"}})
    with pytest.raises(DuplicateKeyError):
        await jobs.update_one({"number": 1}, {"$set": {"remote_id": "a", "state": "published"}})
    with pytest.raises(DuplicateKeyError):
        await jobs.insert_one(job(9, post=9, account=1, remote_id="a"))
    await jobs.insert_one(job(8, post=8, account=2, remote_id="a"))
    assert await found(jobs, {"remote_id": "a"}) == [0, 8]
    assert await found(jobs, {"state": "published"}) == []


# --- compare and set --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "guard",
    [
        {"state": "queued"},
        {"state": {"$in": ["queued", "publishing"]}},
        {"lease_until": {"$lt": NOON}},
        {"lease_until": NOON + SECOND},
        {"token": Id()},
        {"done": True},
    ],
)
async def test_a_change_whose_guard_fails_changes_nothing(jobs: AsyncCollection[Document], guard: Document) -> None:
    before = job(post=1, account=1, lease_until=NOON, token=Id(), done=False)
    await jobs.insert_one(before)
    changed = await jobs.find_one_and_update(
        {"_id": before["_id"], **guard}, {"$set": {"state": "lost"}, "$inc": {"attempts": 1}}
    )
    assert changed is None
    assert await jobs.find_one({"_id": before["_id"]}) == before


@pytest.mark.parametrize(
    "guard",
    [
        {"state": "scheduled"},
        {"state": {"$in": ["queued", "scheduled"]}},
        {"lease_until": {"$lt": NOON + SECOND}},
        {"lease_until": {"$gt": NOON - SECOND}},
        {"lease_until": NOON},
        {"token": TOKEN, "state": {"$ne": "dead"}},
        {"done": False},
    ],
)
async def test_a_change_whose_guard_holds_is_seen_in_its_answer(jobs: AsyncCollection[Document], guard: Document) -> None:
    before = job(post=1, account=1, lease_until=NOON, token=TOKEN, done=False)
    await jobs.insert_one(before)
    changed = await jobs.find_one_and_update(
        {"_id": before["_id"], **guard},
        {"$set": {"state": "queued"}, "$inc": {"attempts": 1}},
        return_document=ReturnDocument.AFTER,
    )
    assert changed == {**before, "state": "queued", "attempts": 1}


async def test_update_one_tells_whether_it_matched(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job(1), job(2))
    assert (await jobs.update_one({"number": 1}, {"$set": {"state": "dead"}})).matched_count == 1
    assert (await jobs.update_one({"number": 3}, {"$set": {"state": "dead"}})).matched_count == 0
    assert await found(jobs, {"state": "dead"}) == [1]


async def test_update_many_changes_all_whose_guard_holds_and_no_other(jobs: AsyncCollection[Document]) -> None:
    owner = Id()
    await insert(jobs, *(job(number, owner=owner, version=number) for number in range(4)), job(4, owner=Id(), version=1))
    guard = {"owner": {"$eq": owner}, "state": {"$ne": "dead"}, "version": {"$lte": 2}}
    await jobs.update_one({"number": 0}, {"$set": {"state": "dead"}})
    await jobs.update_many(guard, {"$set": {"state": "queued", "version": 3}})
    assert await found(jobs, {"state": "queued"}) == [1, 2]
    assert await found(jobs, {"version": 3, "owner": {"$eq": owner}, "state": {"$ne": "queued"}}) == [3]


async def test_a_field_that_is_taken_away_is_missing(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job(1, old="a", other=1), job(2, old="", other=2), job(3))
    assert await found(jobs, {"old": {"$exists": True}}) == [1, 2]
    await jobs.update_one({"number": 1, "other": 1}, {"$set": {"new": "b"}, "$unset": {"old": "", "other": "", "missing": ""}})
    assert await found(jobs, {"old": {"$exists": True}}) == [2]
    assert await found(jobs, {"new": {"$exists": False}}) == [2, 3]
    stored = await jobs.find_one({"number": 1})
    assert stored is not None
    assert stored["new"] == "b"
    assert not {"old", "other", "missing"} & set(stored)


async def test_find_one_and_update_with_a_sort_takes_the_first(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job(3), job(1), job(2))
    for expected in (1, 2, 3):
        taken = await jobs.find_one_and_update(
            {"state": "scheduled"}, {"$set": {"state": "queued"}}, sort=[("due_at", ASCENDING)]
        )
        assert taken is not None
        assert taken["number"] == expected


async def test_find_one_and_delete_gives_a_document_to_one_caller(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job())
    taken = await asyncio.gather(*(jobs.find_one_and_delete({"number": 0}) for _ in range(10)))
    assert len([document for document in taken if document]) == 1


# --- shapes that come back as they went -------------------------------------------------------------------------------


async def test_dates_come_back_aware_with_milliseconds_wherever_they_are(jobs: AsyncCollection[Document]) -> None:
    moment = NOON.replace(microsecond=987_654)
    in_kolkata = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    await insert(jobs, job(at=moment, local=in_kolkata, trouble={"at": NOON}, parts=[{"receipt": {"at": NOON}}]))
    [stored] = await jobs.find({}).to_list()
    assert stored["at"] == moment.replace(microsecond=987_000)
    assert stored["local"] == stored["trouble"]["at"] == stored["parts"][0]["receipt"]["at"] == NOON
    assert stored["local"].utcoffset() == stored["parts"][0]["receipt"]["at"].utcoffset() == timedelta()


@pytest.mark.parametrize("year", [1970, 2200])
async def test_far_dates_keep_their_order(jobs: AsyncCollection[Document], year: int) -> None:
    far = datetime(year, 1, 1, tzinfo=UTC)
    await insert(jobs, job(1, lease_until=far), job(2, lease_until=NOON))
    assert await found(jobs, {"lease_until": {"$lt": NOON}}) == ([1] if far < NOON else [])
    assert await found(jobs, {"lease_until": {"$gt": NOON}}) == ([1] if far > NOON else [])


async def test_setting_a_list_of_documents_replaces_it_whole(jobs: AsyncCollection[Document]) -> None:
    one = {"key": Id(), "receipt": {"remote_id": "1", "url": "https://a.test/1"}, "at": NOON}
    two = {"key": Id(), "receipt": None, "at": NOON}
    await insert(jobs, job(parts=[two, two, two]))
    await jobs.update_one({"number": 0}, {"$set": {"parts": [one, two], "position": 1}})
    [stored] = await jobs.find({}).to_list()
    assert (stored["parts"], stored["position"]) == ([one, two], 1)


async def test_a_nested_document_is_set_to_null_and_back(jobs: AsyncCollection[Document]) -> None:
    trouble = {"code": "worker_lost", "at": NOON, "status": None}
    await insert(jobs, job(trouble=None))
    for value in (trouble, None, trouble):
        await jobs.update_one({"number": 0}, {"$set": {"trouble": value}})
        [stored] = await jobs.find({}).to_list()
        assert stored["trouble"] == value


async def test_keys_with_dots_and_dollars_are_safe_inside_a_json_string(jobs: AsyncCollection[Document]) -> None:
    saved = json.dumps({"https://a.test/x.png": {"$link": "bafy", "": 'quotes " and \\'}, "naïve": "🔔\u0000"})
    await insert(jobs, job(saved="{}"))
    await jobs.update_one({"number": 0}, {"$set": {"saved": saved}})
    [stored] = await jobs.find({}).to_list()
    assert stored["saved"] == saved


async def test_texts_and_numbers_keep_their_type(jobs: AsyncCollection[Document]) -> None:
    facts = {"text": "🔔 é\n\t'\"; --", "empty": "", "digits": "0123", "large": 2**53, "flag": False, "none": None, "list": []}
    await insert(jobs, job(facts=facts))
    [stored] = await jobs.find({}).to_list()
    assert stored["facts"] == facts
    assert {type(stored["facts"][key]) for key in ("digits", "text")} == {str}
    assert stored["facts"]["flag"] is False


# --- questions --------------------------------------------------------------------------------------------------------


async def test_due_documents_come_in_order_and_in_batches(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, *(job(number) for number in (5, 3, 1, 4, 2)), job(0, state="published"))
    query = {"state": {"$eq": "scheduled"}, "due_at": {"$lte": NOON + timedelta(minutes=4)}}
    first = await jobs.find(query).sort("due_at", ASCENDING).limit(3).to_list()
    assert [document["number"] for document in first] == [1, 2, 3]
    newest = await jobs.find({"state": "scheduled"}).sort([("due_at", DESCENDING)]).limit(2).to_list()
    assert [document["number"] for document in newest] == [5, 4]


@pytest.mark.parametrize(
    ("operator", "earlier", "same", "later"),
    [("$lt", True, False, False), ("$lte", True, True, False), ("$gt", False, False, True), ("$gte", False, True, True)],
)
async def test_instants_a_second_apart_are_told_apart(
    jobs: AsyncCollection[Document], operator: str, earlier: bool, same: bool, later: bool
) -> None:
    """Not less: the embedded engine compares whole seconds, so a query may be up to a second off and a token decides."""
    await insert(jobs, *(job(number, at=NOON + number * SECOND) for number in (-1, 0, 1)))
    expected = [number for number, holds in ((-1, earlier), (0, same), (1, later)) if holds]
    assert await found(jobs, {"at": {operator: NOON}}) == expected


async def test_a_sort_by_date_is_exact_to_the_millisecond(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, *(job(number, at=NOON + timedelta(milliseconds=number)) for number in (2, 0, 3, 1)))
    assert [document["number"] async for document in jobs.find({}).sort("at", ASCENDING)] == [0, 1, 2, 3]


async def test_ids_of_text_are_found_compared_and_sorted(jobs: AsyncCollection[Document]) -> None:
    ids = sorted(Id() for _ in range(4))
    await insert(jobs, *(job(number, _id=ids[number], post=ids[number]) for number in (2, 0, 3, 1)))
    assert await found(jobs, {"_id": ids[2]}) == await found(jobs, {"post": ids[2]}) == [2]
    assert await found(jobs, {"post": {"$in": [ids[0], ids[3]]}}) == [0, 3]
    older = await jobs.find({"_id": {"$lt": ids[3]}}).sort("_id", DESCENDING).limit(2).to_list()
    assert [document["_id"] for document in older] == [ids[2], ids[1]]


async def test_a_range_of_ids_within_one_owner_is_found_newest_first_and_ends_where_it_is_told(
    jobs: AsyncCollection[Document],
) -> None:
    ids = sorted(Id() for _ in range(6))
    await insert(jobs, *(job(number, post=ids[number], owner="alice") for number in (2, 0, 3, 1, 5, 4)))
    await insert(jobs, job(9, post=ids[2], owner="bob"))
    within = jobs.find({"owner": {"$eq": "alice"}, "post": {"$gte": ids[1], "$lte": ids[4]}}, {"number": 1, "post": 1})
    found = await within.sort([("post", DESCENDING)]).limit(3).to_list()
    assert [(one["number"], one["post"], "state" in one) for one in found] == [(n, ids[n], False) for n in (4, 3, 2)]


async def test_equality_by_operator_finds_the_same_and_goes_with_dates_and_order(jobs: AsyncCollection[Document]) -> None:
    """``app.queries.equal`` writes it so, because the embedded engine uses an index only for this form."""
    ids = sorted(Id() for _ in range(4))
    await insert(jobs, *(job(number, post=ids[number], done=number > 1) for number in (2, 0, 3, 1)), job(4, state="dead"))
    assert await found(jobs, {"post": {"$eq": ids[2]}}) == [2]
    assert await found(jobs, {"done": {"$eq": False}, "state": {"$eq": "scheduled"}}) == [0, 1]
    line = jobs.find({"state": {"$eq": "scheduled"}}).sort([("due_at", ASCENDING), ("_id", ASCENDING)])
    assert [document["number"] async for document in line.limit(3)] == [0, 1, 2]
    due = {"state": {"$eq": "scheduled"}, "due_at": {"$lte": NOON + timedelta(minutes=2)}}
    assert [document["number"] async for document in jobs.find(due).sort("due_at", DESCENDING).limit(2)] == [2, 1]


async def test_a_sorted_page_further_on_begins_where_the_one_before_ended(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, *(job(number) for number in (5, 3, 1, 4, 2)))
    pages = [await jobs.find({}).sort("due_at", ASCENDING).skip(skip).limit(2).to_list() for skip in (0, 2, 4)]
    assert [[document["number"] for document in page] for page in pages] == [[1, 2], [3, 4], [5]]


async def test_a_document_is_found_by_what_one_of_a_list_holds(jobs: AsyncCollection[Document]) -> None:
    """Only without ``$eq``: with it the embedded engine finds nothing."""
    lists = [[{"media": "a"}, {"media": "b"}], [], [{"media": "b"}]]
    await insert(jobs, *(job(number, files=files) for number, files in enumerate(lists)), job(3, state="queued", files=lists[0]))
    assert await found(jobs, {"state": {"$eq": "scheduled"}, "files.media": "b"}) == [0, 2]
    assert await found(jobs, {"files.media": "a"}) == [0, 3]
    assert await found(jobs, {"files.media": "c"}) == []


async def test_unequal_and_either_or(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job(1), job(2, state="queued"), job(3, state="dead"))
    assert await found(jobs, {"state": {"$ne": "dead"}}) == [1, 2]
    assert await found(jobs, {"$or": [{"state": "dead"}, {"due_at": NOON + timedelta(minutes=1)}]}) == [1, 3]


@pytest.mark.parametrize(
    ("words", "numbers"), [("BELL", [1, 2]), ("bell (1).", [1]), (".*", []), ("tür", [2]), ("^bell", []), ("[", [3]), ("\\", [3])]
)
async def test_words_are_found_inside_texts_whatever_their_case(
    jobs: AsyncCollection[Document], words: str, numbers: list[int]
) -> None:
    """As ``re.escape`` writes them."""
    await insert(
        jobs, job(1, name="Bell (1).png", alt=""), job(2, name="x", alt="Tür und bell"), job(3, name="a[\\b", alt=""), job(4)
    )
    like = {"$regex": re.escape(words), "$options": "i"}
    query = {"state": {"$eq": "scheduled"}, "$or": [{"name": like}, {"alt": like}]}
    assert await found(jobs, query) == numbers


async def test_a_document_is_found_by_what_a_list_inside_a_list_holds(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job(1, rows=[{"files": [{"of": "a"}, {"of": "b"}]}, {"files": None}]), job(2, files=[{"of": "b"}]), job(3))
    assert await found(jobs, {"$or": [{"files.of": "b"}, {"rows.files.of": "b"}]}) == [1, 2]
    assert await found(jobs, {"$or": [{"files.of": "a"}, {"rows.files.of": "a"}]}) == [1]


async def test_documents_are_found_by_one_of_many_that_a_list_holds_with_an_index_and_without(
    jobs: AsyncCollection[Document],
) -> None:
    await insert(jobs, job(1, holds=["a", "b"]), job(2, holds=["c"]), job(3, holds=[]), job(4))
    query = {"state": {"$eq": "scheduled"}, "holds": {"$in": ["b", "c", "d"]}}
    assert await found(jobs, query) == [1, 2]
    await jobs.create_index([("state", 1), ("holds", 1)])
    assert await found(jobs, query) == [1, 2]
    assert await found(jobs, {**query, "holds": {"$in": ["a"]}}) == [1]


async def test_more_documents_than_one_reply_holds_are_all_read(jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, *(job(number) for number in range(250)))
    assert len(await jobs.find({}).to_list()) == 250
    assert await jobs.count_documents({"state": "scheduled"}) == 250
    assert (await jobs.delete_many({"number": {"$lt": 50}})).deleted_count == 50
    assert await found(jobs, {"number": {"$lte": 50}}) == [50]


# --- at start-up ------------------------------------------------------------------------------------------------------


def unique(keys: Iterable[Iterable[tuple[str, int]]]) -> set[tuple[str, ...]]:
    """The fields of each key; the embedded engine forgets their direction."""
    return {tuple(field for field, _direction in key) for key in keys}


async def test_every_collection_and_index_can_be_made_twice_and_at_once(
    database_url: str, database: AsyncDatabase[Document]
) -> None:
    clients = await asyncio.gather(*(app_database.connect(database_url) for _ in range(2)))
    clients.append(await app_database.connect(database_url))
    for document in ALL:
        wanted = [index.document for index in getattr(document.Settings, "indexes", [])]
        there = (await database[document.Settings.name].index_information()).values()
        assert len(there) == len(wanted) + 1  # the one on _id
        assert unique(index["key"] for index in there if index.get("unique")) == unique(
            index["key"].items() for index in wanted if index.get("unique")
        )
        assert await database[document.Settings.name].count_documents({}) == 0
    await asyncio.gather(*(client.close() for client in clients))


async def test_an_expiry_index_leaves_alone_what_has_not_expired(jobs: AsyncCollection[Document]) -> None:
    await jobs.create_index([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0)
    await insert(jobs, job(1, expires_at=datetime.now(UTC) + timedelta(days=1)))
    assert await found(jobs, {}) == [1]


async def test_a_dropped_database_is_empty(engine: AsyncMongoClient[Document], jobs: AsyncCollection[Document]) -> None:
    await insert(jobs, job())
    await engine.drop_database(jobs.database.name)
    assert await jobs.database.list_collection_names() == []
