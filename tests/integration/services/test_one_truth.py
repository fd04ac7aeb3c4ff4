"""One truth: what the page says is what the network has is what a person asked for, whatever happens in whatever order.

Two people, workers that overtake each other or die, networks with every fault, saves that are cut off, and time. After every step
:mod:`tests.integration.services.truth` looks; in the end everything comes to rest. ``CARILLON_TEST_EXAMPLES=1000`` looks longer.
"""

import asyncio
import copy
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from app import runtime
from app.courier import PUBLISH, RECONCILE
from app.engine import dispatching, grants, outbox
from app.engine.faultpoints import ANSWERED, CLAIMED, FENCED, SAVED, TOLD, UPLOADED
from app.engine.grants import Sealed
from app.errors import Invalid, NotFound, TooLate, Unsure
from app.ids import Id
from app.models import EPOCH, FINAL, Account, AccountState, Delivery, Grant, PastAttempt, Post, State, User, Variant, now, reading
from app.services.accounts import profiles
from app.services.writing import posts, remedies
from app.services.writing.posts import Draft, Target
from app.settings import Settings
from app.zones import local
from platforms import REGISTRY
from platforms.base import Idempotency
from tests.contract.harness import Judge
from tests.integration.services.belfry import NAME, connected
from tests.integration.services.crew import Clockwork, Crew, Shift, pass_time
from tests.integration.services.tower import ASKED, MOODS, Tower
from tests.integration.services.truth import Moment, Piece, Sight, look
from tests.integration.services.world import Installation, Message, World, populated, put, settled

LONG = "CARILLON_TEST_EXAMPLES" in os.environ
"""The short form walks the same ways each time; the long one looks for new ones."""
EXAMPLES = int(os.environ.get("CARILLON_TEST_EXAMPLES", "15"))
STEPS = 40
PHASES = (Phase.explicit, Phase.generate)
REFUSALS = (NotFound, TooLate, Invalid, Unsure)
PLATFORMS = ("bluesky", "mastodon", NAME)
UNDER_WAY = frozenset(State) - FINAL
STANDS = (CLAIMED, UPLOADED, FENCED, ANSWERED, SAVED)
FAULTS = ("error_500", "error_500_after_accept", "timeout_before_accept", "timeout_after_accept", "rate_limited")
READING = ("error_500", "timeout_before_accept", "rate_limited")
FATES = ("release", "come back", "deploy", "kill")
LAST = 11
MANY = 4
HOPS = [timedelta(seconds=seconds) for seconds in (5, 35, 70, 5, 35, 70, 600, 7200, 90_000)]
REST = [timedelta(seconds=seconds) for seconds in (35, 70, 70, 300, 900, 2700, 9000, 24_000, 90_000, 70, 300, 900, 2700, 9000)]
"""Hops in which everything comes to rest: together longer than all tries, all looks, and what was planned for tomorrow."""


SOON = timedelta(seconds=0.5)

NAMES = st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True)
VERBS = st.sampled_from(["now", "soon", "now", "draft", "tomorrow", "now"])
ANY = st.integers(0, 11)
TROUBLE = st.none() | st.integers(0, LAST)


def deed(name: str, **how: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """A method of the machine, and what it is called with."""
    return st.tuples(st.just(name), st.fixed_dictionaries(how))


STEP = st.sampled_from(STANDS)
CHANGE = st.sampled_from(["cancel", "edit", "disconnect", "cancel", "move", "delete"])
DEEDS = st.one_of(
    deed("write", verb=VERBS, names=NAMES, own=st.booleans(), twice=st.booleans()),
    deed("open_the_composer", person=st.sampled_from(["Alice", "Bob"]), number=ANY, same=st.booleans(), names=NAMES),
    deed("edit", number=ANY, verb=VERBS, names=NAMES, sure=st.booleans(), opened=st.booleans()),
    deed("edit", number=ANY, verb=VERBS, names=NAMES, sure=st.booleans(), opened=st.booleans()),
    deed("change_of_mind", number=ANY, kind=st.sampled_from(["cancel", "move", "cancel", "move", "delete"]), sure=st.booleans()),
    deed("change_of_mind", number=ANY, kind=st.sampled_from(["cancel", "move", "cancel", "move", "delete"]), sure=st.booleans()),
    deed("both_press_at_once", number=ANY, first=st.integers(0, 3), second=st.integers(0, 3), names=NAMES),
    deed("press_what_is_offered", number=ANY, sure=st.booleans()),
    deed("press_what_is_offered", number=ANY, sure=st.booleans()),
    deed("press_what_was_offered", number=ANY, sure=st.booleans(), drop=st.booleans()),
    deed("disconnect_or_connect_again", platform=st.sampled_from(PLATFORMS)),
    deed("time_passes", by=st.sampled_from(HOPS)),
    deed("work_goes_on", by=st.sampled_from(HOPS)),
    deed("work_goes_on", by=st.sampled_from(HOPS)),
    deed("work_goes_on", by=st.sampled_from(HOPS)),
    deed("carry_on"),
    deed("deliver", number=ANY, copies=st.integers(1, 2), trouble=TROUBLE),
    deed("deliver", number=ANY, copies=st.integers(1, 2), trouble=TROUBLE),
    deed("deliver", number=ANY, copies=st.integers(1, 2), trouble=TROUBLE),
    deed("lose_a_message", number=ANY),
    deed("the_broker_is_away", by=st.sampled_from(HOPS)),
    *[deed("meanwhile", number=ANY, step=STEP, trouble=TROUBLE, kind=CHANGE, fate=st.sampled_from(FATES)) for _ in range(3)],
    deed("a_worker_stands_still", number=ANY, step=st.sampled_from(STANDS), trouble=TROUBLE),
    deed("a_worker_stands_still", number=ANY, step=st.sampled_from(STANDS), trouble=TROUBLE),
    deed("and_then", number=ANY, fate=st.sampled_from(FATES)),
    deed("and_then", number=ANY, fate=st.sampled_from(FATES)),
    deed("and_then", number=ANY, fate=st.sampled_from(FATES)),
    deed("cut_off", number=ANY, kind=st.sampled_from(["hold", "edit", "draft", "cancel", "delete"]), names=NAMES),
)
"""Named more than once is what shall happen more often. They are one rule: hypothesis leaves out many of many rules."""


@dataclass
class Stage:
    """The running installation on its own clock. Nothing on it is new for each example but what is written."""

    runner: asyncio.Runner
    installation: Installation
    world: World
    bob: User
    tower: Tower
    crew: Crew
    http: httpx.AsyncClient
    sealed: dict[str, str] = field(default_factory=dict)

    async def clear(self, kind: Idempotency) -> None:
        """Empty networks, no posts, and accounts as good as new."""
        await self.http.post("/reset")
        self.tower.become(kind)
        self.world.outbox.messages.clear()
        self.world.outbox.accepting = True
        for model in (Post, Delivery, PastAttempt):
            await model.get_pymongo_collection().delete_many({})
        for account in self.world.accounts.values():
            leases = dict.fromkeys(("blocked_until", "retrying_until", "line_until"), EPOCH)
            await put(account, **leases)
        await self.reconnect()

    async def reconnect(self) -> None:
        """A person connects all accounts again; the long way over the consent page has its own tests."""
        for account in await Account.find({}).to_list():
            if account.state != AccountState.CONNECTED:
                grant = await Grant.get(account.grant_id)
                assert grant is not None
                where = {name: getattr(grant, name) for name in ("workspace_id", "platform", "server", "subject")}
                renewed = await grants.consent(where, Sealed(self.sealed[account.platform]))
                await put(account, state=AccountState.CONNECTED, grant_version=renewed.version)

    async def look(self) -> Sight:
        """Look at everything, and remember the tokens that are good today."""
        self.sealed |= {grant.platform: grant.sealed for grant in await Grant.find({}).to_list() if grant.sealed}
        return await look(self.world, self.tower)


@dataclass
class Deed:
    """Something that a person does to one post: the call, and how the post is wanted after it."""

    post_id: Id
    call: Callable[[], Awaitable[Any]]
    effect: Callable[[Piece], None]
    base: Id | None = None


class Together(RuleBasedStateMachine):
    """Everybody at once."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        self.pieces: dict[Id, Piece] = {}
        self.wanted: dict[Id, Piece] = {}
        self.owners: dict[str, Id] = {}
        self.forms: dict[str, tuple[Id, Id, Draft]] = {}
        self.acted_on: set[Id] = set()
        self.refused = False
        self.number = 0
        self.idle = True

    # --- the machinery ------------------------------------------------------------------------------------------------

    @property
    def world(self) -> World:
        return self.stage.world

    @property
    def crew(self) -> Crew:
        return self.stage.crew

    def run(self, deed: Awaitable[Any]) -> Any:
        self.idle = False

        async def do() -> Any:
            done = await deed
            await settled()
            return done

        return self.stage.runner.run(do())

    @initialize(
        kind=st.sampled_from([Idempotency.LOOKUP, Idempotency.NONE]), verb=st.sampled_from(["now", "now", "soon", "draft"])
    )
    def begin(self, kind: Idempotency, verb: str) -> None:
        self.run(self.stage.clear(kind))
        self.seen: Sight = self.run(self.stage.look())
        self.do(self.save(verb, self.words(list(PLATFORMS), own=True), Target(new_id=Id())))

    @rule(deed=DEEDS)
    def then(self, deed: tuple[str, dict[str, Any]]) -> None:
        name, how = deed
        getattr(self, name)(**how)

    @invariant()
    def it_is_one_truth(self) -> None:
        if self.idle:
            return
        after: Sight = self.run(self.stage.look())
        self.idle = True
        acted_on = frozenset(self.acted_on)
        Moment(self.seen, after, self.wanted, self.pieces, self.owners, acted_on, self.refused).check()
        self.seen, self.wanted = after, copy.deepcopy(self.pieces)
        self.acted_on, self.refused = set(), False

    def teardown(self) -> None:
        try:
            if hasattr(self, "seen"):
                self.come_to_rest()
        finally:
            self.run(self.crew.bury())

    def come_to_rest(self) -> None:
        """All faults are over, and who can go on does: after a bounded time nothing happens any more."""
        self.run(self.stage.http.delete("/faults"))
        self.stage.tower.moods.clear()
        self.stage.tower.asked.clear()
        self.world.outbox.accepting = True
        while self.crew.standing:
            self.run(self.crew.release(self.crew.standing[0]))
        asked = self.seen.requests.total()
        for by in REST:
            self.advance(by)
            self.carry_on()
            self.it_is_one_truth()
            if not self.restless():
                break
        assert not (left := self.restless()), f"something is without end: {left}"
        assert self.seen.requests.total() - asked <= 3 * len(self.seen.deliveries), "the networks are asked again and again"

    def restless(self) -> list[Post | Delivery]:
        """What is neither at an end, nor a person's to decide, nor planned for another day."""
        tomorrow = now() + timedelta(hours=12)
        settling = [page.post for page in self.seen.pages.values() if page.post.settling_at > EPOCH]
        return settling + [
            one
            for one in self.seen.deliveries.values()
            if one.state not in FINAL
            and not one.undecidable
            and not (one.state == State.SCHEDULED and one.trouble is None and one.due_at > tomorrow)
        ]

    # --- what people do -----------------------------------------------------------------------------------------------

    def words(self, names: list[str], *, own: bool) -> Draft:
        """A draft in words that nobody used before."""
        self.number += 1
        text = f"Ring {self.number}"
        texts = {self.world.accounts["mastodon"].id: f"{text} for one"} if own else {}
        return self.world.draft(*names, text=text, texts=texts)

    def save(self, verb: str, draft: Draft, target: Target) -> Deed:
        """The composer's buttons."""
        later = {"soon": timedelta(minutes=5), "tomorrow": timedelta(days=1)}.get(verb)
        at = local(now() + (later or timedelta()), "UTC")
        if later:
            draft = replace(draft, date=f"{at:%Y-%m-%d}", time=f"{at:%H:%M}")
        press = {"now": posts.publish_now, "draft": posts.save_draft}.get(verb, posts.schedule)
        texts = {account: draft.texts.get(account, draft.text) for account in draft.account_ids if self.seen.connected(account)}
        post_id = target.post_id or target.new_id
        assert post_id is not None

        def effect(piece: Piece) -> None:
            piece.texts, piece.draft, piece.canceled, piece.stopped = texts, verb == "draft", False, set()

        self.owners |= dict.fromkeys(texts.values(), post_id)
        return Deed(post_id, lambda: press(self.world.workspace, self.world.alice, draft, target), effect, target.base)

    def cancel(self, post_id: Id) -> Deed:
        def effect(piece: Piece) -> None:
            piece.canceled, piece.stopped = True, set(piece.texts)

        return Deed(post_id, lambda: posts.cancel(self.world.workspace, post_id), effect)

    def delete(self, post_id: Id) -> Deed:
        def effect(piece: Piece) -> None:
            piece.deleted = True

        return Deed(post_id, lambda: posts.delete(self.world.workspace, post_id), effect)

    def reschedule(self, post_id: Id, base: Id | None, *, sure: bool) -> Deed:
        at = local(now() + timedelta(minutes=3), "UTC")
        left_out = {one.account_id for one in self.seen.deliveries.values() if one.post_id == post_id and one.dropped}

        def call() -> Awaitable[Post]:
            when = {"date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}", "zone": "UTC"}
            return posts.reschedule(self.world.workspace, post_id, **when, base=base, sure=sure)

        def effect(piece: Piece) -> None:
            piece.texts = {account: text for account, text in piece.texts.items() if account not in left_out}
            piece.canceled, piece.stopped = False, set()

        return Deed(post_id, call, effect, base)

    def do(self, deed: Deed) -> bool:
        """Do it, and remember what is wanted now; a refusal is remembered too."""
        self.acted_on.add(deed.post_id)
        page = self.seen.pages.get(deed.post_id)
        try:
            done = self.run(deed.call())
        except REFUSALS:
            self.refused = True
            return False
        if page is not None and isinstance(done, Post) and done.revision == page.post.revision:
            return True  # it was said before, and nothing was saved
        stale = deed.base is not None and page is not None and page.post.revision != deed.base
        assert not stale, "what somebody else saved was overwritten by who never saw it"
        deed.effect(self.pieces.setdefault(deed.post_id, Piece(deed.post_id)))
        return True

    def followed(self, post_id: Id) -> None:
        """What was saved is what will go out, wherever nothing went out before."""
        found = {one.account_id: one for one in self.run(outbox.of(post_id))}
        page = self.run(posts.get(self.world.workspace, post_id))
        for account_id in [] if page.draft else [variant.account_id for variant in page.variants]:
            follows = found[account_id].revision == page.revision
            assert follows or found[account_id].state == State.PUBLISHED, "it was saved, and something else is on its way"
        assert not page.draft or all(one.dropped for one in found.values()), "a draft has deliveries"

    def live(self) -> list[Id]:
        return list(self.seen.pages)

    def pick(self, number: int) -> Id:
        """One of the posts; seldom one that was deleted."""
        some = self.live() if number and self.live() else list(self.pieces)
        return some[number % len(some)]

    def write(self, verb: str, names: list[str], own: bool, twice: bool) -> None:
        if len(self.live()) < MANY:
            target, draft = Target(new_id=Id()), self.words(names, own=own)
            if self.do(self.save(verb, draft, target)) and twice:
                self.do(self.save(verb, draft, target))

    def open_the_composer(self, person: str, number: int, same: bool, names: list[str]) -> None:
        post_id = self.pick(number)
        if post_id in self.seen.pages:
            draft = self.run(posts.draft_of(self.world.workspace, post_id)) if same else self.words(names, own=False)
            self.forms[person] = (post_id, self.seen.pages[post_id].post.revision, draft)

    def edit(self, number: int, verb: str, names: list[str], sure: bool, opened: bool) -> None:
        """In a composer that was opened some time ago, or past it."""
        if opened and self.forms:
            post_id, base, draft = list(self.forms.values())[number % len(self.forms)]
            target = Target(post_id=post_id, base=base, sure=sure)
        else:
            target, draft = Target(post_id=self.pick(number), sure=sure), self.words(names, own=False)
        deed = self.save(verb, draft, target)
        if self.do(deed):
            self.followed(deed.post_id)

    def change_of_mind(self, number: int, kind: str, sure: bool) -> None:
        self.change(self.pick(number), kind, sure=sure)

    def change(self, post_id: Id, kind: str, *, sure: bool) -> None:
        page = self.seen.pages.get(post_id)
        if kind == "delete":
            self.do(self.delete(post_id))
        elif kind == "move" and self.do(self.reschedule(post_id, page.post.revision if page and sure else None, sure=sure)):
            self.followed(post_id)
        elif kind == "cancel" and self.do(self.cancel(post_id)):
            waiting = {one.state for one in self.run(outbox.of(post_id))} & {State.SCHEDULED, State.QUEUED, State.MISSED}
            assert not waiting, "it is canceled, and waits"

    def both_press_at_once(self, number: int, first: int, second: int, names: list[str]) -> None:
        post_id = self.pick(number)
        if post_id not in self.seen.pages:
            return
        base = self.seen.pages[post_id].post.revision
        deeds = [self._button(which, post_id, base, names) for which in (first, second)]
        self.acted_on.add(post_id)

        async def both() -> list[Any]:
            return await asyncio.gather(*(deed.call() for deed in deeds), return_exceptions=True)

        done = self.run(both())
        for failure in done:
            if isinstance(failure, BaseException) and not isinstance(failure, REFUSALS):
                raise failure
        self._agree(post_id, [deed for deed, one in zip(deeds, done, strict=True) if not isinstance(one, BaseException)])

    def _button(self, which: int, post_id: Id, base: Id, names: list[str]) -> Deed:
        if which == 0:
            return self.save("now", self.words(names, own=False), Target(post_id=post_id, base=base))
        if which == 1:
            return self.save("draft", self.words(names, own=False), Target(post_id=post_id, base=base))
        return self.cancel(post_id) if which == 2 else self.delete(post_id)

    def _agree(self, post_id: Id, done: list[Deed]) -> None:
        """One of them came first: the post must be as if the other had waited."""
        page = self.run(self.stage.look()).pages.get(post_id)
        for order in (done, done[::-1]):
            if order[1:] and order[1].base is not None:
                continue  # who came second would have been told so
            piece = copy.deepcopy(self.pieces[post_id])
            for deed in order:
                deed.effect(piece)
            if piece.deleted == (page is None) and (page is None or piece.says(page.post)):
                self.pieces[post_id] = piece
                return
        raise AssertionError("two people were told that it was done, and it was not")

    # --- what people do about one account -----------------------------------------------------------------------------

    def press_what_is_offered(self, number: int, sure: bool) -> None:
        """One of the buttons beside an account's row."""
        rows = [row for page in self.seen.pages.values() for row in page.deliveries if row.actions]
        if not rows:
            return
        row = rows[number % len(rows)]
        action = sorted(row.actions)[number // len(rows) % len(row.actions)]
        if action in ("confirm", "deny"):
            self.answer(row.delivery)
        elif action == "send_again":
            self.do(self._again(row.delivery, sure=sure))
        elif action == "drop":
            self.do(self._drop(row.delivery))
        elif action == "reconnect":
            self.run(self.stage.reconnect())

    def press_what_was_offered(self, number: int, sure: bool, drop: bool) -> None:
        """From a page that is not true any more."""
        known = sorted(self.seen.deliveries.values(), key=lambda one: one.id)
        if known:
            delivery = known[number % len(known)]
            self.do(self._drop(delivery) if drop else self._again(delivery, sure=sure))

    def _drop(self, delivery: Delivery) -> Deed:
        def effect(piece: Piece) -> None:
            piece.stopped.add(delivery.account_id)
            if delivery.state == State.UNCONFIRMED:
                piece.gambled.add(delivery.account_id)

        return Deed(delivery.post_id, lambda: remedies.drop(self.world.workspace, delivery.id), effect)

    def _again(self, delivery: Delivery, *, sure: bool) -> Deed:
        def effect(piece: Piece) -> None:
            piece.stopped.discard(delivery.account_id)
            piece.canceled = False

        return Deed(delivery.post_id, lambda: remedies.send_again(self.world.workspace, delivery.id, sure=sure), effect)

    def answer(self, delivery: Delivery) -> None:
        """A person looks carefully before they answer; what is still on its way there they wait for."""
        coming = any(text == delivery.text for _, _, text in self.stage.tower.late)
        hidden = any(ring.looks and ring.text == delivery.text for ring in self.stage.tower.rung)
        there = [one.url for one in self.seen.network if (one.platform, one.text) == (delivery.platform, delivery.text)]
        if not coming and not hidden:
            self.do(Deed(delivery.post_id, lambda: self._answered(delivery, there), lambda _: None))

    def _answered(self, delivery: Delivery, found: list[str]) -> Awaitable[Delivery]:
        if found:
            return remedies.confirm(self.world.workspace, delivery.id, url=found[0])
        return remedies.deny(self.world.workspace, delivery.id)

    def disconnect_or_connect_again(self, platform: str) -> None:
        account = self.world.accounts[platform]
        if any(one.state != AccountState.CONNECTED for one in self.seen.accounts.values()):
            self.run(self.stage.reconnect())
            return
        self.acted_on |= set(self.pieces)
        self.run(profiles.disconnect(self.world.workspace, account.id))
        for one in self.seen.deliveries.values():
            if one.account_id == account.id and one.state in (State.SCHEDULED, State.QUEUED) and one.post_id in self.pieces:
                self.pieces[one.post_id].stopped.add(account.id)

    # --- workers and time ---------------------------------------------------------------------------------------------

    def due(self) -> list[Message]:
        """What would be done at once: a message that comes to make ready waits here until it is time to send."""
        return [one for one in self.world.outbox.messages if one.due_at <= now() + SOON and self.run(self.ripe(one))]

    async def ripe(self, message: Message) -> bool:
        some = [await reading.get(Delivery, delivery_id) for delivery_id in message.delivery_ids]
        return message.actor != PUBLISH or all(one is None or one.due_at <= now() + SOON for one in some)

    def take(self, message: Message) -> Awaitable[None]:
        if message in self.world.outbox.messages:
            self.world.outbox.messages.remove(message)
        return self.world.outbox.hand_over(message)

    def time_passes(self, by: timedelta) -> None:
        self.advance(by)

    def work_goes_on(self, by: timedelta) -> None:
        """Time, a pass of the dispatcher, and delivery of whatever is due."""
        self.advance(by)
        self.carry_on()

    def carry_on(self) -> None:
        self.run(self.crew.work(dispatching.run_pass(now())))
        for _ in range(300):
            if not self.due():
                return
            self.run(self.crew.work(self.take(self.due()[0])))
        raise AssertionError("messages without end")

    def waiting(self) -> list[Message]:
        """What a worker could take up now, or as soon as the next delivery is due; somebody writes if there is nothing."""
        if not self.due():
            under_way = [one for one in self.seen.deliveries.values() if one.state in UNDER_WAY and not one.undecidable]
            soon = [by for one in under_way if (by := one.due_at - now()) < timedelta(minutes=15)]
            if not soon and len(self.live()) < MANY:
                self.do(self.save("now", self.words(list(PLATFORMS), own=False), Target(new_id=Id())))
            self.advance(max(min(soon, default=timedelta()), timedelta()) + timedelta(seconds=1))
            self.run(self.crew.work(dispatching.run_pass(now())))
        return [one for one in self.due() if any(self.run(reading.get(Delivery, each)) for each in one.delivery_ids)]

    def deliver(self, number: int, copies: int, trouble: int | None) -> None:
        if due := self.waiting():
            message = due[number % len(due)]
            self.strike(message, trouble)
            self.run(self.crew.work(*[self.take(message) for _ in range(copies)]))

    def lose_a_message(self, number: int) -> None:
        if messages := self.world.outbox.messages:
            del messages[number % len(messages)]

    def the_broker_is_away(self, by: timedelta) -> None:
        self.world.outbox.accepting = False
        self.work_goes_on(by)
        self.world.outbox.accepting = True

    def a_worker_stands_still(self, number: int, step: str, trouble: int | None) -> None:
        if due := self.waiting():
            message = due[number % len(due)]
            held = message.delivery_ids[number % len(message.delivery_ids)]
            delivery = self.run(reading.get(Delivery, held))
            if delivery is not None and self.crew.ask_to_stand(TOLD if message.actor == RECONCILE else step, delivery.account_id):
                self.strike(message, trouble)
                shift = self.run(self.crew.work(self.take(message)))
                shift.holds = self.run(reading.get(Delivery, held))
                self.crew.ask_nobody()

    def meanwhile(self, number: int, step: str, trouble: int | None, kind: str, fate: str) -> None:
        """While a worker has a delivery in its hands, somebody thinks otherwise about it."""
        others = list(self.crew.standing)
        self.a_worker_stands_still(number, step, trouble)
        self.it_is_one_truth()
        shift = next((one for one in self.crew.standing if one not in others), None)
        if shift is None or shift.holds is None:
            return
        if kind == "disconnect":
            self.disconnect_or_connect_again(shift.holds.platform)
        elif kind == "edit":
            self.do(self.save("now", self.words(list(PLATFORMS), own=False), Target(post_id=shift.holds.post_id)))
        else:
            self.change(shift.holds.post_id, kind, sure=True)
        self.it_is_one_truth()
        self.and_then(self.crew.standing.index(shift), fate)

    def strike(self, message: Message, trouble: int | None) -> None:
        """The network that is about to be asked has a fault."""
        if trouble is None:
            return
        tower, asked = self.stage.tower, message.actor == RECONCILE
        if message.platform == NAME and asked:
            tower.asked.append(sorted(ASKED)[trouble % len(ASKED)])
        elif message.platform == NAME:
            tower.moods.append(MOODS[trouble % len(MOODS)])
        else:
            kind = (READING if asked else FAULTS)[trouble % len(READING if asked else FAULTS)]
            kind = "expired_token" if trouble == LAST and message.platform == "bluesky" else kind
            self.run(self.world.judge.fault(message.platform, kind, times=1, **({"on": "read"} if asked else {})))

    def and_then(self, number: int, fate: str) -> None:
        if not self.crew.standing:
            return
        shift = self.crew.standing[number % len(self.crew.standing)]
        if fate == "come back":  # after it was given up
            self.advance(HOPS[2])
            self.run(self.crew.work(dispatching.run_pass(now())))
            fate = "release" if shift in self.crew.standing else "gone"
        if fate == "release":
            self.release(shift)
        elif fate == "kill":
            self.crew.kill(shift)
        elif fate == "deploy":
            self.run(self.crew.stop(shift))

    def release(self, shift: Shift) -> None:
        answered = shift.holds if shift.steps == [ANSWERED] else None
        self.run(self.crew.release(shift))
        if answered is not None and not any(ring.looks for ring in self.stage.tower.rung if ring.text == answered.text):
            self._receipt_is_kept(answered)

    def _receipt_is_kept(self, answered: Delivery) -> None:
        """Unless other words stand in its place by now."""
        found = self.run(reading.get(Delivery, answered.id))
        kept = found is None or found.wording != answered.wording or found.state == State.PUBLISHED
        assert kept, f"a worker had the receipt of {answered.text!r} in its hands, and it is {found and found.state}"

    def advance(self, by: timedelta) -> None:
        async def hop() -> None:
            self.stage.tower.arrive(by.total_seconds())
            await pass_time(self.world, self.crew, by)

        self.run(hop())

    # --- what goes wrong ----------------------------------------------------------------------------------------------

    def cut_off(self, number: int, kind: str, names: list[str]) -> None:
        """A process is killed while it saves a post: what it had written stays as it is."""
        post_id = self.pick(number)
        page = self.seen.pages.get(post_id)
        if page is None or page.can_duplicate or (page.post.canceled and kind in ("edit", "draft")):
            return
        if kind == "cancel" and not page.can_cancel:
            return
        self.do(self._interrupted(kind, page.post, names))

    def _interrupted(self, kind: str, post: Post, names: list[str]) -> Deed:
        if kind == "hold":
            return Deed(post.id, lambda: outbox.hold(post, Id()), lambda _: None)
        if kind == "cancel":
            return Deed(post.id, lambda: self._written(post, hold=False, canceled=True), self.cancel(post.id).effect)
        if kind == "delete":
            return Deed(post.id, lambda: self._written(post, hold=True, gone=True), self.delete(post.id).effect)
        draft = self.words([name for name in names if self.seen.connected(self.world.accounts[name].id)] or names, own=False)
        deed = self.save("draft" if kind == "draft" else "now", draft, Target(post_id=post.id))
        variants = [Variant(account_id=account).model_dump() for account in draft.account_ids if self.seen.connected(account)]
        changes = {"text": draft.text, "variants": variants, "draft": kind == "draft", "canceled": False, "planned_at": now()}
        return Deed(post.id, lambda: self._written(post, hold=True, **changes), deed.effect)

    async def _written(self, post: Post, *, hold: bool, gone: bool = False, **changes: Any) -> None:
        if hold:
            await outbox.hold(post, Id())
        if gone:
            await Post.get_pymongo_collection().delete_one({"_id": post.id})
        else:
            await put(post, revision=Id(), settling=True, settling_at=now(), **changes)


# --- the test ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def stage(settings: Settings, tmp_path: Any) -> Iterator[Stage]:
    """An installation of its own, on a clock of its own."""
    points = tmp_path / "points"
    points.mkdir()
    address = settings.mongodb_url.get_secret_value().replace("carillon_test_", "carillon_test_machine_")
    mine = settings.model_copy(
        update={"mongodb_url": type(settings.mongodb_url)(address), "fault_points": points, "http_timeout": 0.5}
    )
    with asyncio.Runner(loop_factory=Clockwork) as runner:
        set_up = runner.run(_set_up(runner, mine))
        REGISTRY[NAME] = set_up.tower
        try:
            yield set_up
        finally:
            REGISTRY.pop(NAME, None)
            runner.run(set_up.http.aclose())
            runner.run(set_up.installation.remove())


async def _set_up(runner: asyncio.Runner, settings: Settings) -> Stage:
    installation = Installation(settings)
    await installation.wake()
    http = httpx.AsyncClient(base_url=f"{settings.sandbox_url}/api", trust_env=False, verify=False, timeout=30)
    world = await populated(installation.outbox, Judge(http))
    bob = await User(email="bob@example.org", name="Bob", password_hash="none").insert()
    tower = Tower()
    world.accounts[NAME] = await connected(world.workspace, runtime.current().sealer.seal({"access": tower.valid}))
    assert settings.fault_points is not None
    stage = Stage(runner, installation, world, bob, tower, Crew(settings.fault_points), http)
    await stage.look()
    return stage


def test_there_is_one_truth(stage: Stage) -> None:
    Together.stage = stage
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Together,
        settings=profile(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            derandomize=not LONG,
            phases=PHASES,
            report_multiple_bugs=False,
            suppress_health_check=checks,
        ),
    )
