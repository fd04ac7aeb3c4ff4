"""What follows from a failure: one arm per remedy, and how long to wait."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import backoff
from app.engine.backoff import CHECKS, LONGEST_HINT, LONGEST_TRY, SLOWEST, STEPS, Decision
from app.models import TRANSITIONS, State
from platforms import errors
from platforms.errors import (
    ContentRejected,
    Misconfigured,
    PlatformError,
    QuotaExhausted,
    RateLimited,
    Rejected,
    Remedy,
    TokenRevoked,
    Transient,
    Unavailable,
    Unconfirmed,
    UnexpectedReply,
)

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HORIZON = timedelta(minutes=1)


def leaves(of: type[PlatformError] = PlatformError) -> Iterator[type[PlatformError]]:
    """The errors that adapters raise."""
    below = of.__subclasses__()
    if not below:
        yield of
    for one in below:
        yield from leaves(one)


def decide(
    error: PlatformError, *, strikes: int = 0, limited: int = 0, begun_at: datetime = NOON, jitter: float = 0.0
) -> Decision:
    return backoff.decide(error, strikes=strikes, limited=limited, begun_at=begun_at, now=NOON, horizon=HORIZON, jitter=jitter)


def error(leaf: type[PlatformError], *, retry_after: timedelta | None = None) -> PlatformError:
    return leaf("belfry", "code", "A sentence.", retry_after=retry_after, status=418)


@pytest.mark.parametrize("leaf", list(leaves()))
def test_every_error_leads_to_a_state_that_may_follow_publishing_and_keeps_its_evidence(leaf: type[PlatformError]) -> None:
    decision = decide(error(leaf))
    assert decision.state in TRANSITIONS[State.PUBLISHING]
    assert decision.due_at >= NOON
    kept = decision.trouble
    assert kept is not None
    assert (kept.remedy, kept.code, kept.message, kept.status) == (leaf.remedy, "code", "A sentence.", 418)


@pytest.mark.parametrize("leaf", list(leaves()))
def test_only_what_was_certainly_not_accepted_is_tried_again_without_asking(leaf: type[PlatformError]) -> None:
    again = {decide(error(leaf), strikes=strikes).state for strikes in range(len(STEPS))} & {State.QUEUED, State.SCHEDULED}
    assert bool(again) == issubclass(leaf, Transient)


@pytest.mark.parametrize(
    ("leaf", "state"),
    [
        (UnexpectedReply, State.UNCONFIRMED),
        (TokenRevoked, State.FAILED),
        (ContentRejected, State.FAILED),
        (Misconfigured, State.DEAD),
    ],
)
def test_each_remedy_has_its_state(leaf: type[PlatformError], state: State) -> None:
    assert decide(error(leaf)).state == state


def test_every_remedy_is_raised_by_some_error() -> None:
    assert {leaf.remedy for leaf in leaves()} == set(Remedy)
    assert {errors.Unconfirmed, errors.Rejected} == {Unconfirmed, Rejected}


def test_the_pauses_grow_and_then_it_is_dead() -> None:
    decisions = [decide(error(Unavailable), strikes=strikes) for strikes in range(len(STEPS) + 1)]
    pauses = [decision.due_at - NOON for decision in decisions[:-1]]
    assert pauses == sorted(pauses) == list(STEPS)
    assert decisions[-1].state == State.DEAD
    assert all(decision.strike for decision in decisions)


def test_what_is_due_within_the_horizon_stays_with_the_broker() -> None:
    states = [decide(error(Unavailable), strikes=strikes).state for strikes in range(len(STEPS))]
    assert states == [State.QUEUED if step <= HORIZON else State.SCHEDULED for step in STEPS]


@pytest.mark.parametrize("leaf", [RateLimited, QuotaExhausted])
@pytest.mark.parametrize("strikes", [0, 3, 1000])
def test_a_limit_uses_up_no_attempt_however_often_it_comes(leaf: type[PlatformError], strikes: int) -> None:
    decision = decide(error(leaf, retry_after=timedelta(seconds=90)), strikes=strikes)
    assert (decision.state, decision.strike, decision.due_at) == (State.SCHEDULED, False, NOON + timedelta(seconds=90))


@pytest.mark.parametrize("leaf", [RateLimited, QuotaExhausted])
@pytest.mark.parametrize("hint", [timedelta(), timedelta(seconds=-30)])
def test_a_limit_that_asks_for_no_pause_gets_one(leaf: type[PlatformError], hint: timedelta) -> None:
    pauses = [decide(error(leaf, retry_after=hint), limited=limited).due_at - NOON for limited in range(40)]
    assert pauses[0] == timedelta(seconds=1)
    assert pauses == sorted(pauses)
    assert pauses[-1] == SLOWEST


@pytest.mark.parametrize("leaf", [RateLimited, QuotaExhausted, Unavailable])
@pytest.mark.parametrize("hint", [None, timedelta(), timedelta(seconds=90)])
def test_nothing_is_tried_for_ever(leaf: type[PlatformError], hint: timedelta | None) -> None:
    given, at, tries = error(leaf, retry_after=hint), NOON, 0
    while (decision := decide(given, strikes=tries, limited=tries, begun_at=NOON - (at - NOON))).state != State.DEAD:
        at, tries = at + (decision.due_at - NOON), tries + 1
        assert at - NOON <= LONGEST_TRY
        assert tries < 5_000


def test_a_hint_of_years_is_taken_for_a_mistake() -> None:
    assert decide(error(RateLimited, retry_after=timedelta(days=4000))).due_at == NOON + LONGEST_HINT


@given(
    strikes=st.integers(0, 20),
    jitter=st.floats(0, 1, exclude_max=True),
    hint=st.none() | st.timedeltas(timedelta(-1), timedelta(3)),
    limited=st.booleans(),
)
def test_a_wait_is_never_negative_nor_longer_than_a_day(
    strikes: int, jitter: float, hint: timedelta | None, limited: bool
) -> None:
    wait = backoff.delay(error(RateLimited if limited else Unavailable, retry_after=hint), strikes=strikes, jitter=jitter)
    assert wait is None or timedelta() <= wait <= LONGEST_HINT
    assert (wait is None) == (not limited and strikes >= len(STEPS))


@given(st.floats(0, 1, exclude_max=True))
def test_long_pauses_are_spread_and_short_ones_are_exact(jitter: float) -> None:
    for strikes, step in enumerate(STEPS):
        wait = backoff.delay(error(Unavailable), strikes=strikes, jitter=jitter)
        assert wait is not None
        assert step <= wait <= step * (1 + backoff.SPREAD)
        assert wait == step or step >= timedelta(minutes=2)


def test_looks_at_the_network_become_rarer_and_end_with_a_person() -> None:
    waits = [backoff.next_check(checks) for checks in range(len(CHECKS) + 2)]
    assert waits == [*CHECKS, None, None]
    assert list(CHECKS) == sorted(CHECKS)


def test_a_network_that_asks_for_time_before_the_next_look_gets_it() -> None:
    assert backoff.next_check(0, retry_after=timedelta(minutes=7)) == timedelta(minutes=7)
    assert backoff.next_check(0, retry_after=timedelta(seconds=1)) == CHECKS[0]
    assert backoff.next_check(0, retry_after=timedelta(days=99)) == LONGEST_HINT
