"""What people read: a post's status, and a delivery in words."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import combinations

import pytest

from app.ids import Id
from app.models import FINAL, Attachment, Part, Receipt, State, Trouble
from app.services.writing import views, words
from app.services.writing.words import DeliveryView
from tests.unit.services.documents import NOON, account, delivery

TROUBLE = Trouble(remedy="retry", code="away", message="The server is away.", at=NOON)
MINUTE = timedelta(minutes=1)


def status(*states: State, draft: bool = False, undecidable: bool = False) -> str:
    return views.status_of(states, draft=draft, undecidable=undecidable)


def row(state: State, *, zone: str = "UTC", late: timedelta = -MINUTE, **facts: object) -> DeliveryView:
    """The row as it reads ``late`` after noon."""
    return words.describe(delivery(state, **facts), account(), [], zone=zone, at=NOON + late)


def test_what_is_only_made_ready_is_not_called_sending() -> None:
    ahead = row(State.PUBLISHING, late=-timedelta(seconds=5))
    assert (ahead.label, ahead.detail) == ("Getting ready", "Planned for 30 November 2026, 12:00.")
    assert row(State.PUBLISHING, late=timedelta()).label == "Sending"
    files = {"attachments": [Attachment(media_id=Id())]}
    assert row(State.PUBLISHING, late=timedelta(), **files).label == "Getting ready"
    assert row(State.PUBLISHING, late=timedelta(), fenced_at=NOON, **files).label == "Sending"


def test_files_that_are_made_or_processed_are_told() -> None:
    made = row(State.SCHEDULED, making=0.4)
    assert (made.label, made.tone) == ("Preparing files", "progress")
    assert made.detail == "40% of its files is made to fit this network. Planned for 30 November 2026, 12:00."
    assert row(State.SCHEDULED, processing_at=NOON, late=timedelta(seconds=5)).label == "Preparing files"


# --- a post's status --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "draft"),
        ([State.SCHEDULED, State.SCHEDULED], "scheduled"),
        ([State.SCHEDULED, State.QUEUED], "scheduled"),
        ([State.SCHEDULED, State.PUBLISHED], "scheduled"),
        ([State.SCHEDULED, State.PUBLISHING], "publishing"),
        ([State.PUBLISHED, State.PROCESSING], "publishing"),
        ([State.FAILED, State.UNCONFIRMED], "publishing"),
        ([State.PUBLISHED, State.PUBLISHED], "published"),
        ([State.PUBLISHED, State.FAILED], "partly published"),
        ([State.PUBLISHED, State.DEAD], "partly published"),
        ([State.PUBLISHED, State.CANCELED], "partly published"),
        ([State.PUBLISHED, State.MISSED], "needs you"),
        ([State.FAILED, State.CANCELED], "failed"),
        ([State.DEAD], "failed"),
        ([State.CANCELED, State.CANCELED], "canceled"),
    ],
)
def test_a_posts_status_follows_from_its_deliveries(states: Sequence[State], expected: str) -> None:
    assert status(*states) == expected
    assert status(*reversed(states)) == expected


def test_published_is_said_only_of_what_is_published_everywhere() -> None:
    for pair in combinations(State, 2):
        assert status(*pair) != "published"


def test_an_open_question_comes_first() -> None:
    assert status(State.UNCONFIRMED, State.PUBLISHING, undecidable=True) == "needs you"


def test_a_draft_is_a_draft() -> None:
    assert status(draft=True) == "draft"


# --- one delivery -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_every_state_has_words_a_tone_and_a_full_sentence(state: State) -> None:
    for facts in ({}, {"trouble": TROUBLE, "attempts": 3}, {"trouble": TROUBLE, "undecidable": True}):
        shown = row(state, published_at=NOON, **facts)
        assert shown.label
        assert shown.tone in {"neutral", "progress", "good", "warn", "bad"}
        if shown.detail:
            assert shown.detail.endswith((".", "?"))


@pytest.mark.parametrize("state", sorted(FINAL - {State.PUBLISHED}))
def test_what_ended_without_a_post_offers_a_way_on(state: State) -> None:
    assert "send_again" in row(state).actions


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_what_is_under_way_offers_nothing_but_an_answer_to_an_open_question(state: State) -> None:
    assert row(state).actions == frozenset()
    assert row(state, undecidable=True).actions == (
        frozenset({"confirm", "deny", "drop"}) if state == State.UNCONFIRMED else frozenset()
    )


def test_a_published_delivery_offers_its_address_and_no_action() -> None:
    part = Part(key="key-1", text="Ring", receipt=Receipt(remote_id="1", url="https://server.example/1"))
    shown = row(State.PUBLISHED, parts=[part], published_at=NOON)
    assert (shown.url, shown.actions) == ("https://server.example/1", frozenset())
    assert row(State.SCHEDULED).url is None


@pytest.mark.parametrize("state", [State.FAILED, State.DEAD])
def test_lost_access_asks_to_connect_again(state: State) -> None:
    lost = TROUBLE.model_copy(update={"remedy": "reconnect"})
    assert "reconnect" in row(state, trouble=lost).actions
    assert "reconnect" not in row(state, trouble=TROUBLE).actions


def test_a_refused_content_asks_for_an_edit() -> None:
    shown = row(State.FAILED, trouble=TROUBLE.model_copy(update={"remedy": "edit", "message": "Too long."}))
    assert (shown.detail, shown.tone) == ("Too long.", "bad")
    assert "edit" in shown.actions


def test_times_are_told_by_the_posts_clock() -> None:
    assert row(State.SCHEDULED, zone="Asia/Kathmandu").detail == "Planned for 30 November 2026, 17:45."
    assert row(State.PUBLISHED, zone="America/New_York", published_at=NOON).detail == "Published 30 November 2026, 07:00."


def test_a_retry_says_when_and_why() -> None:
    shown = row(State.SCHEDULED, zone="Europe/Berlin", attempts=2, trouble=TROUBLE)
    assert (shown.label, shown.detail) == ("Retrying at 13:00", "The server is away.")


def test_what_is_due_and_waits_says_so() -> None:
    assert row(State.QUEUED, late=MINUTE).label == "Sending soon"
    assert row(State.QUEUED, late=-MINUTE).label == "Scheduled"


@pytest.mark.parametrize(("attempts", "words"), [(1, "once"), (8, "8 times")])
def test_giving_up_says_how_often_it_was_tried(attempts: int, words: str) -> None:
    assert row(State.DEAD, attempts=attempts, trouble=TROUBLE).detail == f"The server is away. We tried {words}."


def test_the_words_for_a_question_hold_the_evidence() -> None:
    assert "The server is away." in row(State.UNCONFIRMED, undecidable=True, trouble=TROUBLE).detail
    assert row(State.UNCONFIRMED, trouble=TROUBLE).label == "Checking"
