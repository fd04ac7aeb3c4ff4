"""The table of a delivery's transitions, read as promises."""

import pytest

from app.models import EDITABLE, FINAL, TRANSITIONS, State

OPEN = frozenset({State.PUBLISHING, State.PROCESSING, State.UNCONFIRMED})
"""States in which the network may have the post, and nobody knows yet."""


def test_every_state_is_in_the_table_and_leads_somewhere_but_published() -> None:
    assert set(TRANSITIONS) == set(State)
    assert [state for state, targets in TRANSITIONS.items() if not targets - {state}] == [State.PUBLISHED]


def test_nothing_happens_after_published() -> None:
    assert TRANSITIONS[State.PUBLISHED] == frozenset()


def test_what_may_have_been_sent_can_be_neither_edited_nor_canceled() -> None:
    assert EDITABLE & (OPEN | {State.PUBLISHED}) == set()
    assert not any(State.CANCELED in TRANSITIONS[state] for state in OPEN)


@pytest.mark.parametrize("state", sorted(set(State) - {State.QUEUED, State.PUBLISHING}))
def test_only_what_is_queued_can_begin_to_be_sent(state: State) -> None:
    assert State.PUBLISHING not in TRANSITIONS[state]


@pytest.mark.parametrize("state", sorted(set(State) - OPEN))
def test_only_what_was_sent_can_become_published(state: State) -> None:
    assert State.PUBLISHED not in TRANSITIONS[state]


@pytest.mark.parametrize("state", sorted(FINAL - {State.PUBLISHED}))
def test_what_ended_without_a_post_can_be_sent_again_or_dropped_and_nothing_else(state: State) -> None:
    assert TRANSITIONS[state] - {state} <= {State.SCHEDULED, State.CANCELED}
    assert State.SCHEDULED in TRANSITIONS[state]
    assert state in EDITABLE


@pytest.mark.parametrize("state", sorted(EDITABLE))
def test_what_is_editable_can_be_edited_and_canceled(state: State) -> None:
    assert TRANSITIONS[state] >= {State.SCHEDULED, State.CANCELED}
