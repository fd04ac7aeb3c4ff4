"""One delivery in words: a label, a sentence that says what to do, and the actions that are possible now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.engine.order import IN_ORDER
from app.models import EPOCH, Account, AccountState, Attempt, Delivery, State
from app.services.accounts import profiles
from app.services.writing.composing import AttachedMedia
from app.zones import local
from platforms import REGISTRY
from platforms.base import Adapter
from platforms.errors import Remedy


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One row of a post's page. ``tone`` is neutral, progress, good, warn or bad; ``detail`` is a sentence for the person.

    ``own_text`` and ``own_media`` are what this account gets or got, where that differs from what the page shows for all
    (``own_media`` only on the page of one post). ``actions`` are among ``send_again``, ``drop``, ``confirm``, ``deny``,
    ``reconnect``, ``edit``.
    """

    delivery: Delivery
    account: Account
    adapter: Adapter
    label: str
    tone: str
    detail: str
    url: str | None
    attempts: list[Attempt]
    actions: frozenset[str]
    own_text: str | None = None
    own_media: Sequence[AttachedMedia] = ()


def describe(delivery: Delivery, account: Account, attempts: list[Attempt], *, zone: str, at: datetime) -> DeliveryView:
    """The row of one delivery as of the instant ``at``. Pure."""
    label, tone, detail = said(delivery, zone=zone, at=at)
    receipt = delivery.receipt
    return DeliveryView(
        delivery=delivery,
        account=account,
        adapter=REGISTRY[account.platform],
        label=label,
        tone=tone,
        detail=detail,
        url=profiles.public_url(account, receipt.url) if receipt else None,
        attempts=attempts,
        actions=_possible(_actions(delivery), account),
    )


def said(delivery: Delivery, *, zone: str, at: datetime) -> tuple[str, str, str]:  # noqa: C901, PLR0911 - one per state
    """Label, tone and detail (see :class:`DeliveryView`). Pure."""
    reason = delivery.trouble.message if delivery.trouble else ""
    match delivery.state:
        case State.SCHEDULED | State.QUEUED:
            return _waiting(delivery, reason, zone=zone, at=at)
        case State.PUBLISHING if delivery.due_at > at:
            return "Getting ready", "progress", _at("Planned for", delivery.due_at, zone)
        case State.PUBLISHING if delivery.attachments and delivery.fenced_at == EPOCH:
            return "Getting ready", "progress", "Its files are made ready and uploaded."
        case State.PUBLISHING:
            return "Sending", "progress", "It is being sent right now."
        case State.PROCESSING:
            return "Processing", "progress", "The network has it and is preparing it."
        case State.UNCONFIRMED if delivery.undecidable:
            return "Needs your answer", "warn", f"{reason} Please look on the network: is it there?"
        case State.UNCONFIRMED:
            return "Checking", "progress", "The network's answer got lost. We are asking whether the post is there."
        case State.PUBLISHED:
            return "Published", "good", _at("Published", delivery.published_at, zone) + _missing(delivery)
        case State.FAILED:
            return "Failed", "bad", reason
        case State.MISSED:
            planned = _at("It was due", delivery.planned_at, zone)
            return "Missed", "warn", f"{planned} Nothing could be sent then. Send it now, choose another time, or drop it."
        case State.DEAD:
            return "Gave up", "bad", f"{reason} We tried {_times(delivery.attempts)}."
        case State.CANCELED:
            return "Canceled", "neutral", _canceled(delivery, reason)


def _missing(delivery: Delivery) -> str:
    """What is not there beside the post that is."""
    return "".join(f" Its {part.kind} is missing: {part.trouble.message}" for part in delivery.parts if part.trouble)


def _canceled(delivery: Delivery, reason: str) -> str:
    if delivery.dropped and delivery.first_sent_at > EPOCH:
        return "You dropped it without an answer: it may be on the network all the same."
    return reason or "It will not be sent."


def _waiting(delivery: Delivery, reason: str, *, zone: str, at: datetime) -> tuple[str, str, str]:
    clock = local(delivery.due_at, zone).strftime("%H:%M")
    if reason:
        passed = " Later posts of this account do not wait for it any more." if at > delivery.planned_at + IN_ORDER else ""
        return f"Retrying at {clock}" if delivery.attempts else f"Waiting until {clock}", "warn", reason + passed
    if delivery.making is not None:
        return "Preparing files", "progress", f"{_share(delivery.making)} {_at('Planned for', delivery.due_at, zone)}"
    if delivery.processing_at > EPOCH:
        return "Preparing files", "progress", "Its files are on their way; it is sent as soon as they are ready."
    if delivery.due_at <= at:
        return "Sending soon", "progress", "It is due and waits for its turn."
    return "Scheduled", "neutral", _at("Planned for", delivery.due_at, zone)


def _share(making: float) -> str:
    return f"{making:.0%} of its files is made to fit this network." if making else "Its files are made to fit this network."


def _at(words: str, instant: datetime | None, zone: str) -> str:
    return f"{words} {local(instant, zone).strftime('%-d %B %Y, %H:%M')}." if instant else words


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _possible(actions: frozenset[str], account: Account) -> frozenset[str]:
    """To an account that is disconnected nothing can be sent before it is connected again."""
    if account.state == AccountState.DISCONNECTED and "send_again" in actions:
        return actions - {"send_again"} | {"reconnect"}
    return actions


def _actions(delivery: Delivery) -> frozenset[str]:
    match delivery.state:
        case State.FAILED | State.DEAD if delivery.trouble and delivery.trouble.remedy == Remedy.RECONNECT:
            return frozenset({"reconnect", "send_again"})
        case State.FAILED:
            return frozenset({"edit", "send_again"})
        case State.MISSED:
            return frozenset({"send_again", "drop"})
        case State.DEAD | State.CANCELED:
            return frozenset({"send_again"})
        case State.UNCONFIRMED if delivery.undecidable:
            return frozenset({"confirm", "drop"} if delivery.unnamed else {"confirm", "deny", "drop"})
        case _:
            return frozenset()
