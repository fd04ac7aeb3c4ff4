"""What is planned, what is judged, and what is reported."""

from typing import Any, cast

import pytest

from tests.chaos import plan, scenes
from tests.chaos.judge import Verdict, allowed, judge, judge_film, judge_left, judge_people, passed, reason_of
from tests.chaos.networks import BLUESKY, FOUNDRY, KEYLESS, MASTODON
from tests.chaos.person import Person, Profile
from tests.chaos.plan import Run
from tests.chaos.report import NEVER, Result, never_struck, summary, table
from tests.chaos.scenes import Scenario
from tests.chaos.waves import Profiles

# --- the plan ---------------------------------------------------------------------------------------------------------


def test_a_seed_stands_for_one_sequence() -> None:
    first, again, other = (plan.make(seed, 300, scenes.scenarios()) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_a_seed_draws_which_faults_come_in_pairs() -> None:
    first, again, other = ([one for one in scenes.scenarios(seed=seed) if one.scene == scenes.PAIRS] for seed in (7, 7, 8))
    assert first == again
    assert first != other
    assert len(set(first)) == scenes.DRAWN


def test_only_one_fault_at_a_time_befalls_what_is_due_at_once_or_renews_its_tokens() -> None:
    waves = plan.make(7, 60, scenes.scenarios([*scenes.FAULT_BY_FAULT, scenes.ROTATION]))
    assert all(len({run.scenario.fault for run in wave.runs}) == 1 for wave in waves)
    assert len({wave.runs[0].scenario.fault for wave in waves}) > 5


def test_what_is_played_again_has_new_numbers() -> None:
    known = scenes.scenarios(["network"])[:3]
    [wave] = plan.make(0, 3, known, after=300)
    assert [run.number for run in wave.runs] == [301, 302, 303]


def test_every_scenario_comes_once_before_any_comes_twice() -> None:
    known = scenes.scenarios()
    waves = plan.make(7, len(known), scenes.scenarios())
    assert sorted(run.scenario for wave in waves for run in wave.runs) == sorted(known)


def test_the_runs_of_a_wave_share_their_scene() -> None:
    waves = plan.make(7, 500, scenes.scenarios())
    assert all({run.scenario.scene for run in wave.runs} == {wave.scene} for wave in waves)
    numbers = [run.number for wave in waves for run in wave.runs]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 500 <= len(numbers) < 520


def test_a_batch_is_never_alone() -> None:
    [row] = scenes.scenarios([scenes.BATCH])[:1]
    [wave] = plan.make(0, 1, [row])
    assert [run.scenario for run in wave.runs] == [row] * plan.COMPANY


class Door:
    """Connects whoever comes."""

    async def connect(self, network: str, handle: str) -> Profile:
        return Profile(f"our {handle}", handle, network, handle)


async def test_an_account_is_replaced_before_it_has_used_up_a_days_quota() -> None:
    profiles = Profiles(cast(Person, Door()))
    used = [(await profiles.get(FOUNDRY, "0")).id for _ in range(120)]
    other = (await profiles.get(FOUNDRY, "1")).id
    assert max(used.count(one) for one in used) < 100
    assert used == sorted(used, key=used.index)
    assert other not in used


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
        (delivery("published"), ["1"], Verdict.LOST),
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


CONFIRM = {"remedy": "confirm", "code": "unnamed"}
WITHDRAWN = {"remedy": "edit", "code": "withdrawn"}


@pytest.mark.parametrize(
    ("told", "posts", "verdict"),
    [
        (delivery("unconfirmed", undecidable=True, trouble=CONFIRM), ["1"], Verdict.UNNAMED),
        (delivery("unconfirmed", undecidable=True, trouble=CONFIRM), [], Verdict.LOST),
        (delivery("unconfirmed", undecidable=True, trouble=CONFIRM), ["1", "2"], Verdict.DUPLICATE),
        (delivery("unconfirmed", undecidable=True, trouble=WITHDRAWN), ["1"], Verdict.UNDECIDED),
        (delivery("published", trouble=CONFIRM), ["1"], Verdict.LOST),
        (delivery("failed", trouble=CONFIRM), ["1"], Verdict.LOST),
    ],
)
def test_what_is_out_without_a_name_is_one_post_that_a_person_must_name(
    told: dict[str, Any], posts: list[str], verdict: Verdict
) -> None:
    assert judge(told, [{"id": post} for post in posts]) is verdict


@pytest.mark.parametrize(
    ("told", "posts", "reason", "verdict"),
    [
        (delivery("failed", trouble=WITHDRAWN), [], "withdrawn", Verdict.REFUSED),
        (delivery("failed", trouble=WITHDRAWN), [], "against_rules", Verdict.LOST),
        (delivery("failed", trouble=WITHDRAWN), [], "", Verdict.LOST),
        (delivery("failed", trouble=WITHDRAWN), ["1"], "withdrawn", Verdict.LOST),
        (delivery("dead", trouble=WITHDRAWN), [], "withdrawn", Verdict.LOST),
        (delivery("scheduled", trouble=WITHDRAWN), [], "withdrawn", Verdict.STUCK),
    ],
)
def test_what_the_network_refused_has_failed_for_its_own_reason(
    told: dict[str, Any], posts: list[str], reason: str, verdict: Verdict
) -> None:
    assert judge(told, [{"id": post} for post in posts], reason=reason) is verdict


@pytest.mark.parametrize(
    ("step", "told", "posts", "verdict"),
    [
        ("claimed", delivery("canceled"), [], Verdict.KEPT),
        ("claimed", delivery("published", "1"), ["1"], Verdict.UNWANTED),
        ("fenced", delivery("published", "1"), ["1"], Verdict.ONCE),
        ("fenced", delivery("failed"), ["1"], Verdict.LOST),
        ("sent", delivery("unconfirmed", undecidable=True), [], Verdict.UNDECIDED),
        ("queued", delivery("queued"), [], Verdict.STUCK),
        ("queued", delivery("published", "1"), ["1", "2"], Verdict.DUPLICATE),
    ],
)
def test_after_a_disconnection_nothing_is_sent_or_the_truth_is_told(
    step: str, told: dict[str, Any], posts: list[str], verdict: Verdict
) -> None:
    assert judge_left(told, [{"id": post} for post in posts], step=step) is verdict


@pytest.mark.parametrize(
    ("page", "told", "posts", "answers", "verdict"),
    [
        ("draft", None, [], {"publish": 409, "draft": 303}, Verdict.KEPT),
        ("draft", None, [], {"publish": 303, "draft": 409}, Verdict.MISLED),
        ("draft", delivery("published", "1"), ["A"], {"publish": 303, "draft": 303}, Verdict.LOST),
        ("published", delivery("published", "1"), ["A"], {"publish": 303, "draft": 409}, Verdict.ONCE),
        ("published", delivery("published", "1"), ["A"], {"publish": 409, "draft": 409}, Verdict.MISLED),
        ("published", delivery("published", "1"), ["A"], {"A": 303, "B": 409}, Verdict.ONCE),
        ("published", delivery("published", "1"), ["A"], {"A": 303, "B": 303}, Verdict.MISLED),
        ("published", delivery("published", "1"), ["A"], {"A": 422, "B": 409}, Verdict.MISLED),
        ("scheduled", delivery("published", "1"), ["A"], {"A": 303, "B": 409}, Verdict.MISLED),
        ("published", delivery("published", "1"), ["A", "B"], {"A": 303, "B": 303}, Verdict.DUPLICATE),
    ],
)
def test_of_two_people_the_page_heeds_one_and_the_other_is_told(
    page: str, told: dict[str, Any] | None, posts: list[str], answers: dict[str, int], verdict: Verdict
) -> None:
    accepted = [{"id": str(number), "text": text} for number, text in enumerate(posts, start=1)]
    words = {name: name for name in answers if name in ("A", "B")}
    assert judge_people(told, accepted, page=page, told=answers, words=words) is verdict


@pytest.mark.parametrize(
    ("told", "page", "shown", "again", "verdict"),
    [
        (delivery("published", "1"), "published", "A", 0, Verdict.ONCE),
        (delivery("published", "1"), "publishing", "A", 0, Verdict.MISLED),
        (delivery("published", "1"), "published", "", 0, Verdict.INCOMPLETE),
        (delivery("published", "1"), "published", "B", 0, Verdict.INCOMPLETE),
        (delivery("published", "1"), "published", "AA", 0, Verdict.INCOMPLETE),
        (delivery("published", "1"), "published", "A", 1, Verdict.AGAIN),
        (delivery("scheduled"), "scheduled", "A", 0, Verdict.STUCK),
        (delivery("failed"), "failed", "A", 0, Verdict.LOST),
    ],
)
def test_a_film_is_out_as_it_is_kept_and_was_sent_once(
    told: dict[str, Any], page: str, shown: str, again: int, verdict: Verdict
) -> None:
    assert judge_film(told, [{"id": "1"}], page=page, kept=["A"], shown=[*shown], again=again) is verdict


def test_of_a_film_only_one_end_is_right() -> None:
    assert {tuple(allowed(one, posts)) for one in scenes.scenarios([scenes.FILM]) for posts in (0, 1)} == {(Verdict.ONCE,)}


@pytest.mark.parametrize(
    ("accepted", "late"),
    [("abcd", ""), ("abdc", "c"), ("bacd", "a"), ("dcba", "abc"), ("acd", ""), ("axbyxcd", "")],
)
def test_who_comes_after_a_later_one_was_passed(accepted: str, late: str) -> None:
    assert passed("abcd", accepted) == set(late)


def row(fault: str, step: str, network: str, scene: str = "network") -> Scenario:
    return Scenario(scene, fault, step, network)


@pytest.mark.parametrize(
    ("scenario", "posts", "allowed_too"),
    [
        (row("reply lost", "accepted", MASTODON), 1, set()),
        (row("request lost", "sent", MASTODON), 0, set()),
        (row("request lost", "sent", KEYLESS), 0, {Verdict.UNDECIDED}),
        (row("reply lost", "accepted", KEYLESS), 1, set()),
        (row("SIGKILL", "fenced", KEYLESS, "killed"), 0, {Verdict.UNDECIDED}),
        (row("SIGTERM", "fenced", KEYLESS, "stopped"), 0, set()),
        (row("SIGTERM", "sent", KEYLESS, "stopped"), 0, {Verdict.UNDECIDED}),
        (row("SIGTERM, in one batch", "claimed", KEYLESS, scenes.BATCH), 0, set()),
        (row("reply lost, lists late by 30 s", "accepted", KEYLESS, scenes.BLIND), 1, set()),
        (row("reply lost, lists late by 5 min", "accepted", KEYLESS, scenes.BLIND), 1, {Verdict.UNDECIDED}),
        (row("disconnect", "claimed", BLUESKY, scenes.LEFT), 0, {Verdict.KEPT}),
        (row("disconnect", "accepted", BLUESKY, scenes.LEFT), 1, set()),
        (row("edit + edit", "draft", BLUESKY, scenes.PEOPLE), 1, {Verdict.KEPT}),
    ],
)
def test_a_person_is_asked_only_where_nobody_can_know(scenario: Scenario, posts: int, allowed_too: set[Verdict]) -> None:
    assert allowed(scenario, posts) == {Verdict.ONCE} | allowed_too


def container(fault: str, step: str) -> Scenario:
    return row(fault, step, FOUNDRY, scenes.CONTAINERS)


@pytest.mark.parametrize(
    ("scenario", "end", "reason"),
    [
        (container("SIGKILL, cast slowly", "waiting"), Verdict.ONCE, ""),
        (container("SIGKILL, out late", "told"), Verdict.ONCE, ""),
        (container("nothing, no id", "answered"), Verdict.ONCE, ""),
        (container("nothing, no id anywhere", "answered"), Verdict.UNNAMED, ""),
        (container("address pasted, no id anywhere", "unnamed"), Verdict.ONCE, ""),
        (container("error 500, refused while cast", "casting"), Verdict.REFUSED, "against_rules"),
        (container("SIGTERM, refused at last", "told"), Verdict.REFUSED, "withdrawn"),
        (row("SIGKILL, quota used up", "fenced", FOUNDRY, scenes.QUOTA), Verdict.ONCE, ""),
        (row("SIGKILL", "sent", FOUNDRY, "killed"), Verdict.ONCE, ""),
    ],
)
def test_a_network_that_tells_what_it_does_leaves_one_end_that_is_right(scenario: Scenario, end: Verdict, reason: str) -> None:
    assert (allowed(scenario, 0), reason_of(scenario)) == ({end}, reason)
    assert allowed(scenario, 1) == {end}


# --- the report -------------------------------------------------------------------------------------------------------


def result(scenario: Scenario, verdict: Verdict = Verdict.ONCE, *, struck: bool = True) -> Result:
    return Result(Run(1, scenario, picture=False), "p", ("text",), verdict, 1, struck, 0.0, {})


def test_a_row_that_was_met_once_is_proved_and_one_that_never_was_is_named() -> None:
    met, never = row("reply lost", "accepted", MASTODON), row("cut before write", "fenced", MASTODON)
    results = [result(met, struck=False), result(met), result(never, struck=False), result(never, struck=False)]
    assert never_struck(results) == [never]
    assert [NEVER in line for line in table(results).splitlines()] == [False, True, False]
    assert summary(results, seed=1)["never_struck"] == 1


def test_what_a_row_does_not_allow_has_failed() -> None:
    results = [result(row("reply lost", "accepted", network), Verdict.UNDECIDED) for network in (BLUESKY, KEYLESS)]
    assert [one.failed for one in results] == [True, True]
    assert "FAILED" in table(results)


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_counted_and_has_a_column(verdict: Verdict) -> None:
    results = [result(container("nothing, no id anywhere", "answered"), verdict)]
    assert summary(results, seed=1)[verdict.value] == 1
    assert summary(results, seed=1)["failed"] == (verdict is not Verdict.UNNAMED)
    assert "1" in table(results).splitlines()[1]
