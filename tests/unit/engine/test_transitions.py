"""The table of a delivery's transitions, read as promises."""

import pytest

from app.models import EDITABLE, FINAL, IN_FLIGHT, TRANSITIONS, State


def test_every_state_is_in_the_table_and_leads_somewhere_but_published() -> None:
    assert set(TRANSITIONS) == set(State)
    assert [state for state, targets in TRANSITIONS.items() if not targets - {state}] == [State.PUBLISHED]


def test_nothing_happens_after_published() -> None:
    assert TRANSITIONS[State.PUBLISHED] == frozenset()


def test_what_may_have_been_sent_cannot_be_edited() -> None:
    assert EDITABLE & (IN_FLIGHT | {State.PUBLISHED}) == set()


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED, State.PUBLISHING}))
def test_only_what_is_queued_can_begin_to_be_sent(state: State) -> None:
    assert State.PUBLISHING not in TRANSITIONS[state]


@pytest.mark.parametrize("state", sorted(set(State) - {State.PUBLISHED}))
def test_a_receipt_that_comes_late_is_the_truth_whatever_was_decided_meanwhile(state: State) -> None:
    assert State.PUBLISHED in TRANSITIONS[state]


@pytest.mark.parametrize("state", sorted(FINAL - {State.PUBLISHED}))
def test_what_ended_without_a_post_can_be_sent_again_or_dropped_and_nothing_else(state: State) -> None:
    assert TRANSITIONS[state] - {state} <= {State.SCHEDULED, State.CANCELED, State.PUBLISHED}
    assert State.SCHEDULED in TRANSITIONS[state]
    assert state in EDITABLE


@pytest.mark.parametrize("state", sorted(EDITABLE))
def test_what_is_editable_can_be_edited_and_canceled(state: State) -> None:
    assert TRANSITIONS[state] >= {State.SCHEDULED, State.CANCELED}
