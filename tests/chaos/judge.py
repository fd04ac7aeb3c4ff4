"""The verdict on one delivery: what Carillon says of it, against what the network accepted."""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

from tests.chaos.networks import KEYLESS
from tests.chaos.scenes import BLIND, CONTAINERS, HOPELESS, LEFT, LINE, PEOPLE, Scenario, circumstances, plain
from tests.chaos.ways import WAYS, Way

Document = Mapping[str, Any]


class Verdict(StrEnum):
    """``LOST``: no post, or none that Carillon names, and Carillon does nothing more about it. ``STUCK``: no end in time.

    ``KEPT``: nothing was sent, and Carillon says so. ``UNWANTED``: it was published though a person had withdrawn it in time.
    ``MISLED``: a person was told that it is done as they said, and it is not. ``PASSED``: a later post of its account was out
    before it. ``INCOMPLETE``: one post, without its files, or with others. ``AGAIN``: a file was sent again that the network had,
    and that Carillon knew the name of. ``REFUSED``: nothing was published, and Carillon gives the network's own reason.
    ``UNNAMED``: one post, of which Carillon says that it is out and that a person must name it.
    """

    ONCE = "published_once"
    KEPT = "kept_back"
    UNDECIDED = "undecided"
    REFUSED = "refused"
    UNNAMED = "unnamed"
    DUPLICATE = "duplicates"
    LOST = "lost"
    STUCK = "stuck"
    UNWANTED = "unwanted"
    MISLED = "misled"
    PASSED = "passed"
    INCOMPLETE = "incomplete"
    AGAIN = "sent_again"


WAITING = frozenset({"scheduled", "queued", "publishing", "processing", "unconfirmed"})
"""States in which Carillon itself will do something."""

NOTHING = frozenset({Verdict.KEPT, Verdict.REFUSED})
"""Where a post would come against what people were told."""

IN_TIME = ("queued", "claimed", "uploaded")
"""Steps before the fence: what a person takes back there is not sent."""


def at_rest(delivery: Document | None) -> bool:
    """Whether Carillon has done with it."""
    return delivery is not None and (delivery["state"] not in WAITING or bool(delivery.get("undecidable")))


def judge(delivery: Document | None, posts: Sequence[Document], *, reason: str = "") -> Verdict:
    """``posts`` are all that the network ever accepted with this delivery's text, deleted ones too.

    ``reason``: why the network refuses this one, if it does.
    """
    if len(posts) > 1:
        return Verdict.DUPLICATE
    if delivery is None or not at_rest(delivery):
        return Verdict.STUCK
    trouble = delivery.get("trouble") or {}
    if delivery["state"] in WAITING and trouble.get("remedy") == CONFIRM:
        return Verdict.UNNAMED if posts else Verdict.LOST
    if delivery["state"] in WAITING:
        return Verdict.UNDECIDED
    if reason and not posts and (delivery["state"], trouble.get("code")) == ("failed", reason):
        return Verdict.REFUSED
    named = [part["receipt"]["remote_id"] for part in delivery["parts"] if part["receipt"]]
    return Verdict.ONCE if delivery["state"] == "published" and named == [post["id"] for post in posts] else Verdict.LOST


def judge_left(delivery: Document | None, posts: Sequence[Document], *, step: str) -> Verdict:
    """The account was disconnected at ``step``."""
    if step in IN_TIME and len(posts) == 1:
        return Verdict.UNWANTED
    return _kept(delivery, posts) or judge(delivery, posts)


def _kept(delivery: Document | None, posts: Sequence[Document]) -> Verdict | None:
    ended = delivery is not None and delivery["state"] not in WAITING and delivery["state"] != "published"
    return Verdict.KEPT if ended and not posts else None


def judge_people(
    delivery: Document | None, posts: Sequence[Document], *, page: str, told: Mapping[str, int], words: Mapping[str, str]
) -> Verdict:
    """``page``: what the post's page says in the end; ``told``: each person's answer; ``words``: the text of each who edits."""
    if page in ("draft", "canceled") and len(posts) <= 1:
        fair = page == "canceled" or told.get("draft") in DONE
        return Verdict.LOST if posts else Verdict.KEPT if fair else Verdict.MISLED
    verdict = judge(delivery, posts)
    if verdict is not Verdict.ONCE:
        return verdict
    winners = {name for name, text in words.items() if text == posts[0]["text"]} or {"publish"}
    losers = words.keys() - winners
    fair = all(told[name] in DONE for name in winners & told.keys()) and all(told[name] not in DONE for name in losers)
    return Verdict.ONCE if fair and page == "published" else Verdict.MISLED


def judge_film(
    delivery: Document | None, posts: Sequence[Document], *, page: str, kept: Sequence[str], shown: Sequence[str], again: int
) -> Verdict:
    """``kept``: what Carillon has to send, ``shown``: what the post has, both by their content; ``again``: uploads too many."""
    verdict = judge(delivery, posts)
    if verdict is not Verdict.ONCE:
        return verdict
    if page != "published":
        return Verdict.MISLED
    if [*shown] != [*kept]:
        return Verdict.INCOMPLETE
    return Verdict.AGAIN if again else verdict


def passed(planned: Sequence[str], accepted: Sequence[str]) -> frozenset[str]:
    """Those of the ``planned`` that the network accepted after a later one."""
    places = [planned.index(one) for one in accepted if one in planned]
    return frozenset(planned[place] for number, place in enumerate(places) if place < max(places[: number + 1]))


CONFIRM = "confirm"
"""A delivery's remedy when it is out, and a person has to say as which post."""

PASTED = "address pasted"
"""A person says where the post is."""

DONE = (200, 303)
"""Answers that tell a person: as you say."""


def allowed(scenario: Scenario, posts: int) -> Collection[Verdict]:
    """What may come out of a row when the network has so many posts; everything else is a failure.

    ``UNDECIDED`` only where nobody can know: there is no key, and the post is not there or cannot be found there; or the account
    is disconnected, and cannot be asked.
    """
    if way := way_of(scenario):
        return {_end(scenario, way)}
    may = {Verdict.ONCE}
    hopeless = (not posts and not _handed_back(scenario)) or (scenario.scene == BLIND and scenario.fault.endswith(HOPELESS))
    if scenario.network == KEYLESS and hopeless:
        may.add(Verdict.UNDECIDED)
    if scenario.scene == PEOPLE:
        may.add(Verdict.KEPT)
    if scenario.scene == LEFT:
        may |= _allowed_left(scenario.step)
    return may


def waits_for_the_network(scenario: Scenario) -> bool:
    """Whether the post that is struck is sent again only when it is certain that it is not there, so that later ones pass it."""
    return (scenario.scene, plain(scenario.fault), scenario.step) == (LINE, "SIGKILL", "fenced")


def reason_of(scenario: Scenario) -> str:
    """Why its network refuses the post in the end; empty if it does not."""
    way = way_of(scenario)
    return way.reason if way else ""


def way_of(scenario: Scenario) -> Way | None:
    """The way that its post takes, where that is what is played."""
    return WAYS[circumstances(scenario.fault)] if scenario.scene == CONTAINERS else None


def _end(scenario: Scenario, way: Way) -> Verdict:
    """The only one that is right: a network that tells what it does leaves nothing open."""
    if way.reason:
        return Verdict.REFUSED
    return Verdict.ONCE if way.named or plain(scenario.fault) == PASTED else Verdict.UNNAMED


def _handed_back(scenario: Scenario) -> bool:
    """A worker that is asked to stop gives back what it has not sent, fenced or not: there is no question."""
    return plain(scenario.fault) == "SIGTERM" and scenario.step in (*IN_TIME, "uploading", "fenced")


def _allowed_left(step: str) -> set[Verdict]:
    if step in IN_TIME:
        return {Verdict.KEPT}
    return {Verdict.KEPT, Verdict.UNDECIDED} if step == "sent" else set()
