"""What people asked for, what the page says, what the networks have: the three that must be one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.ids import Id
from app.models import EPOCH, FINAL, IN_FLIGHT, Account, AccountState, Delivery, Post, State, reading, tidy
from app.services.writing import listing
from app.services.writing.views import PostView
from tests.integration.services.belfry import NAME
from tests.integration.services.tower import Tower
from tests.integration.services.world import World

BOOKKEEPING = {"move_id", "held_by", "held_until", "updated_at", "settling", "settling_at"}
"""What may change although nothing that people see does."""

Said = tuple[str, str]
"""A platform, and words."""


# --- what people asked for --------------------------------------------------------------------------------------------


@dataclass
class Piece:
    """One post as its people want it: ``texts`` by account; ``stopped`` are the accounts for which somebody took it back.

    ``gambled``: a person dropped the question whether that account has it, so nobody claims to know any more.
    """

    id: Id
    texts: dict[Id, str] = field(default_factory=dict)
    draft: bool = False
    canceled: bool = False
    deleted: bool = False
    stopped: set[Id] = field(default_factory=set)
    gambled: set[Id] = field(default_factory=set)

    def wants(self, account_id: Id) -> str | None:
        """The words that are to go out there, if any."""
        held_back = self.draft or self.canceled or self.deleted or account_id in self.stopped
        return None if held_back else self.texts.get(account_id)

    def says(self, post: Post) -> bool:
        """Whether the document is what was asked for."""
        texts = {variant.account_id: post.words_of(variant) for variant in post.variants}
        return (texts, post.draft, post.canceled) == (self.texts, self.draft, self.canceled)


# --- what can be seen -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visible:
    """A post on a network."""

    platform: str
    id: str
    text: str
    url: str


@dataclass(frozen=True)
class Sight:
    """Everything there is at one moment. ``requests`` counts what was asked of the networks, accepted or not."""

    pages: Mapping[Id, PostView]
    deliveries: Mapping[Id, Delivery]
    accounts: Mapping[Id, Account]
    network: list[Visible]
    requests: Counter[Said]

    def contents(self) -> dict[Id, dict[str, Any]]:
        """Posts and deliveries without what is only bookkeeping."""
        documents: list[Post | Delivery] = [page.post for page in self.pages.values()] + list(self.deliveries.values())
        return {one.id: one.model_dump(exclude=BOOKKEEPING) for one in documents}

    def of(self, post_id: Id, account_id: Id) -> Delivery | None:
        found = (one for one in self.deliveries.values() if (one.post_id, one.account_id) == (post_id, account_id))
        return next(found, None)

    def account_on(self, platform: str) -> Account:
        return next(account for account in self.accounts.values() if account.platform == platform)

    def connected(self, account_id: Id) -> bool:
        return self.accounts[account_id].state != AccountState.DISCONNECTED


async def look(world: World, tower: Tower) -> Sight:
    """Look at the pages, at the database, and at the networks."""
    pages = await listing.listed(world.workspace, limit=100)
    deliveries = await reading.find(Delivery, {})
    accounts = await reading.find(Account, {})
    posts = await world.judge.posts()
    first = (await world.judge.http.get("/requests")).json()["first"]
    tolled = [Visible(NAME, ring.id, ring.text, f"https://belfry.example/{ring.id}") for ring in tower.rung]
    return Sight(
        pages={page.post.id: page for page in pages},
        deliveries={one.id: one for one in deliveries},
        accounts={one.id: one for one in accounts},
        network=[Visible(post["platform"], post["id"], post["text"], post["url"]) for post in posts] + tolled,
        requests=Counter({(one["platform"], one["text"]): one["sent"] for one in first})
        + Counter((NAME, text) for text in tower.heard),
    )


# --- what must be true ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moment:
    """One step: what was seen and wanted ``before`` and after it. ``acted_on`` are the posts that a person touched in it."""

    before: Sight
    after: Sight
    wanted: Mapping[Id, Piece]
    pieces: Mapping[Id, Piece]
    owners: Mapping[str, Id]
    acted_on: frozenset[Id]
    refused: bool

    def check(self) -> None:
        """Everything that must be true after every step."""
        self.nothing_is_sent_that_nobody_wants()
        self.nothing_is_doubled()
        self.what_is_called_published_is()
        self.what_is_out_is_not_denied()
        self.posts_say_what_was_asked_for()
        self.deliveries_follow_their_post()
        self.what_is_final_stays()
        self.a_refusal_changes_nothing()

    def nothing_is_sent_that_nobody_wants(self) -> None:
        for platform, text in self.after.requests - self.before.requests:
            assert text in self.owners, f"nobody wrote {text!r}"
            account, post_id = self.after.account_on(platform), self.owners[text]
            earlier = self.before.of(post_id, account.id)
            sending = earlier is not None and earlier.state == State.PUBLISHING and earlier.fenced_at > EPOCH
            assert self._wants(post_id, account.id, text) or (sending and earlier.text == text), (
                f"{text!r} was sent to {platform}, and nobody wanted it"
            )

    def _wants(self, post_id: Id, account_id: Id, text: str) -> bool:
        asked = [piece[post_id].wants(account_id) for piece in (self.wanted, self.pieces) if post_id in piece]
        return text in asked and (self.before.connected(account_id) or self.after.connected(account_id))

    def nothing_is_doubled(self) -> None:
        for (platform, text), number in Counter((one.platform, one.text) for one in self.after.network).items():
            assert number == 1 or self._gambled(platform, text), f"{text!r} is on {platform} {number} times"

    def _gambled(self, platform: str, text: str) -> bool:
        return self.after.account_on(platform).id in self.pieces[self.owners[text]].gambled

    def what_is_called_published_is(self) -> None:
        there = {(one.platform, one.id): one for one in self.after.network}
        done = [one for one in self.after.deliveries.values() if one.state == State.PUBLISHED]
        receipts = [(one.platform, one.receipt.remote_id) for one in done if one.receipt]
        assert len(set(receipts)) == len(receipts) == len(done), f"a receipt is missing, or serves two: {receipts}"
        for delivery, receipt in zip(done, receipts, strict=True):
            assert receipt in there, f"{delivery.text!r} is called published, and {delivery.platform} does not have it"
            assert self._shown(delivery) == there[receipt].text == delivery.text, f"{delivery.text!r} is not what is out"

    def _shown(self, delivery: Delivery) -> str:
        page = self.after.pages.get(delivery.post_id)
        assert page is not None, f"{delivery.text!r} is published, and its page is gone"
        row = next(row for row in page.deliveries if row.delivery.id == delivery.id)
        assert (row.label, bool(row.url)) == ("Published", True)
        return tidy(page.text if row.own_text is None else row.own_text)

    def what_is_out_is_not_denied(self) -> None:
        for one in self.after.network:
            delivery = self.after.of(self.owners[one.text], self.after.account_on(one.platform).id)
            mine = delivery is not None and delivery.receipt is not None and delivery.receipt.remote_id == one.id
            open_still = delivery is not None and delivery.state in IN_FLIGHT and delivery.text == one.text
            assert mine or open_still or self._gambled(one.platform, one.text), (
                f"{one.text!r} is on {one.platform}, and the page says {delivery and delivery.state}"
            )

    def posts_say_what_was_asked_for(self) -> None:
        kept = {piece.id for piece in self.pieces.values() if not piece.deleted}
        assert kept == set(self.after.pages), "a post is lost, or came back"
        for post_id in kept:
            assert self.pieces[post_id].says(self.after.pages[post_id].post), f"{self.pieces[post_id]} is not what was saved"

    def deliveries_follow_their_post(self) -> None:
        for delivery in self.after.deliveries.values():
            page = self.after.pages.get(delivery.post_id)
            waits = delivery.state in (State.SCHEDULED, State.QUEUED)
            if page is None or page.post.settling_at > EPOCH or not waits:
                continue
            assert delivery.revision == page.post.revision, f"{delivery.text!r} is {delivery.state}, and lags behind its post"
            piece = self.pieces[delivery.post_id]
            assert piece.texts.get(delivery.account_id) == delivery.text, f"{delivery.text!r} waits in words of another time"
            assert not piece.draft, f"{delivery.text!r} waits, and its post is a draft"

    def what_is_final_stays(self) -> None:
        """Until a person acts, or its post's save that was cut off is completed."""
        for known in self.before.deliveries.values():
            page = self.before.pages.get(known.post_id)
            behind = page is None or page.post.revision != known.revision or page.post.settling_at > EPOCH
            if known.state in FINAL and known.post_id not in self.acted_on and not behind:
                now = self.after.deliveries.get(known.id)
                assert now is not None, f"{known.text!r} was {known.state} and is gone"
                assert now.state in (known.state, State.PUBLISHED), f"{known.text!r} was {known.state} and is {now.state}"
            if known.state == State.PUBLISHED:
                now = self.after.deliveries.get(known.id)
                assert now is not None, f"{known.text!r} is published and gone"
                assert (now.state, now.parts) == (State.PUBLISHED, known.parts), f"{known.text!r} was published"

    def a_refusal_changes_nothing(self) -> None:
        if self.refused:
            assert self.after.contents() == self.before.contents(), "it was refused, and changed something"


def quiet(deliveries: Iterable[Delivery]) -> bool:
    """Whether nothing more happens soon by itself."""
    return all(
        one.state in FINAL or one.undecidable or (one.state == State.SCHEDULED and one.trouble is None and one.attempts == 0)
        for one in deliveries
    )
