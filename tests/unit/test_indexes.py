"""app/indexes.py decides which indexes have to go. The listings are shaped as MongoDB's and nx-27017's are."""

from typing import Any

import pytest
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.indexes import to_drop

TEXTS = {"remote_id": {"$type": "string"}}
WANTED = [
    IndexModel([("state", ASCENDING), ("due_at", DESCENDING)], name="due").document,
    IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0).document,
    IndexModel([("remote_id", ASCENDING)], name="receipt", unique=True, partialFilterExpression=TEXTS).document,
]
ID = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
DUE = {"v": 2, "key": {"state": 1, "due_at": -1}, "name": "due"}
EXPIRY = {"v": 2, "key": {"expires_at": 1}, "name": "expiry", "expireAfterSeconds": 0}
RECEIPT = {"v": 2, "key": {"remote_id": 1}, "name": "receipt", "unique": True, "partialFilterExpression": TEXTS}


def dropped(*there: dict[str, Any], retired: tuple[str, ...] = ()) -> list[str]:
    return to_drop("jobs", WANTED, [ID, *there], retired)


def test_an_empty_collection_and_one_that_is_as_wanted_lose_nothing() -> None:
    assert dropped() == []
    assert dropped(DUE, EXPIRY, RECEIPT) == []


def test_numbers_that_come_back_as_floats_are_no_difference() -> None:
    assert dropped({**DUE, "key": {"state": 1.0, "due_at": -1.0}}, {**EXPIRY, "expireAfterSeconds": 0.0}) == []


@pytest.mark.parametrize(
    "older",
    [
        {**DUE, "key": {"state": 1}},
        {**DUE, "key": {"due_at": -1, "state": 1}},
        {**DUE, "key": {"state": 1, "due_at": 1}},
        {**DUE, "unique": True},
        {**EXPIRY, "expireAfterSeconds": 60},
        {"v": 2, "key": {"expires_at": 1}, "name": "expiry"},
        {**RECEIPT, "partialFilterExpression": {"remote_id": {"$exists": True}}},
        {"v": 2, "key": {"remote_id": 1}, "name": "receipt", "unique": True},
    ],
)
def test_an_index_of_the_same_name_that_differs_has_to_go(older: dict[str, Any]) -> None:
    assert dropped(older) == [older["name"]]


def test_an_operators_own_index_stays_and_a_retired_one_goes() -> None:
    own, old = {**DUE, "name": "by_hand"}, {**DUE, "name": "due_at_1", "key": {"due_at": 1}}
    assert dropped(own, old, retired=("due_at_1", "due")) == ["due_at_1"]


def test_the_embedded_engine_is_understood_without_names_directions_and_filters() -> None:
    due = {"v": 2, "key": {"state": 1, "due_at": 1}, "name": "idx_jobs_state_due_at"}
    receipt = {"v": 2, "key": {"remote_id": 1}, "name": "idx_jobs_remote_id", "unique": True}
    older = {"v": 2, "key": {"a.b": 1}, "name": "idx_jobs_a_b", "unique": True}
    loose = {"v": 2, "key": {"remote_id": 1}, "name": "idx_jobs_remote_id"}
    assert dropped(due, receipt) == []
    assert dropped(due, older, loose) == ["idx_jobs_a_b", "idx_jobs_remote_id"]
