"""Which command of the tool finds each sabotage of the runtime, and which finds none, and why.

A test that turns red tells a developer. Whoever runs a stack has commands alone, and what no
command sees here he would not see either. Most are found as a red control of the tool is: by its
command and for its reason, with the sabotage's own edits. `nox -s mutants -- --by-tool` tries all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bookpayctl.controls.catalogue import WRONG_STACKS
from bookpayctl.controls.control import RedAnswer, WrongStack
from bookpayctl.controls.events_and_orders import AUDIT
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

FOUND_AS: Final = {
    "M1": "no-inbox",
    "M2": "new-key-after-a-crash",
    "M3": "key-with-the-attempt",
    "M5": "placed-before-its-order",
    "M6": "marked-without-an-answer",
    "M7": "a-lost-answer-is-a-decline",
    "M8": "failures-of-stripes-are-declines",
    "M10": "results-without-a-lease",
    "M12": "refunds-under-new-keys",
    "M14": "stock-not-released",
    "M15": "webhooks-of-any-amount",
    "M17": "webhooks-of-any-age",
    "M19": "webhooks-thanked-for-and-not-kept",
    "M20": "early-news-is-dropped",
    "M267": "same-client-for-another-topic",
}
"""Sabotage -> the red control by whose command, and for whose reason, it is found."""

_DECLINED: Final = ("order", "place", "--payment-method", "pm_card_chargeDeclined")
_DRILL: Final = ("drill", "run")

_STREAMED: Final = "needs an environment brought up with --publisher wal, which no red control does"

FOUND_BY: Final = (
    WrongStack(
        "M13",
        "",
        AUDIT,
        (RedAnswer("I27", "CheckViolation"),),
        before=(_DECLINED,),
    ),
    WrongStack(
        "M16",
        "",
        ("webhook", "forge", "--case", "W05"),
        (RedAnswer("W05", "with v0 only: answered 200"),),
    ),
    WrongStack(
        "M18",
        "",
        ("webhook", "forge", "--case", "W23"),
        (RedAnswer("W23", "invalid body"),),
    ),
    WrongStack(
        "M53",
        "",
        (*_DRILL, "dashboard-money", "--at", "part", "--duration", "8s", "--timeout", "40s"),
        (RedAnswer("dashboard-money/given-back-once", " as required"),),
    ),
    WrongStack(
        "M55",
        "",
        (*_DRILL, "dashboard-money", "--at", "whole", "--duration", "8s", "--timeout", "40s"),
        (RedAnswer("dashboard-money/orders-refunded", ": paid"),),
    ),
    WrongStack(
        "M67",
        "",
        (*_DRILL, "secret-rotation", "--at", "overlap", "--duration", "8s", "--timeout", "40s"),
        (RedAnswer("secret-rotation/old-is-gone", "signed with the old: 200"),),
    ),
    WrongStack(
        "M73",
        "",
        (*_DRILL, "outage", "--at", "payments-gateway", "--duration", "14s", "--timeout", "20s"),
        (RedAnswer("outage/logs-say-it-once", "with 0, 0 in all"),),
    ),
)
"""Those that no control is like; what is wrong is the sabotage's own sentence."""

_PUBLISHED_AGAIN: Final = (
    "nothing is left to see: the reconciler publishes again what had no consequence"
)
_DEATH: Final = "needs a death in one moment that no command aims at"
_ANSWER: Final = "needs an answer that no drill has the twin, or a proxy, give"
_OPERATOR: Final = "needs an operator's request that must be refused, and no command makes one"
_OTHERS: Final = "needs money moved by others in a way that `dashboard-money` does not"
_LOOKED_AT: Final = "nothing of it is in a ledger; its metric is the operator's to look at"
_TRACES: Final = "nothing of it is in a ledger; traces are the operator's to look at"
_AWAY_FOR_LONG: Final = "costs time alone while somebody is away for seconds, as in every drill"
_LONG_TRANSACTION: Final = "needs a row whose transaction lasted, and no command has such a one"

_PAST: Final = "costs time alone, in a shop with a past that no command gives it"

_CAPTURED: Final = (
    "not tried: needs a topic that loses records beside Debezium, where such drills are refused"
)

UNSEEN: Final = {
    "M284": "needs a client that librdkafka leaves outside of its group; one storm of many had one",
    "M285": "needs a database that is away for minutes, longer than a command may take",
    "M4": _PUBLISHED_AGAIN,
    "M9": "tried: slow-stripe, postgres-sessions-terminated; the same key is asked again",
    "M11": "no command moves the environment's clock while a lease is held",
    "M21": "tried: webhook forge --case W42; needs a failure after the success of a live charge",
    "M22": _DEATH,
    "M23": "tried: drill run webhooks-lost; what search does not find yet is asked for again",
    "M25": "needs a refund that fails at Stripe and is given again; no drill has one fail",
    "M26": "tried: drill run clogged-links; no request of a drill arrives after its list",
    "M27": _OPERATOR,
    "M28": "needs an event whose consequence never comes, for longer than a drill lasts",
    "M29": "needs shadow mode beside v1, which no local stack has",
    "M30": "needs a cancellation that overtakes its order in Kafka",
    "M31": "needs a cancellation between a charge and its webhook",
    "M32": "drill run expired-idempotency-key is unknown (3): what is sent again asks nobody",
    "M33": "tried: check BP-C002, postgres-sessions-terminated; events sent twice are allowed",
    "M34": _PUBLISHED_AGAIN,
    "M35": "tried: kill-storm; needs a death between Stripe's answer and the journal's row",
    "M36": "needs a worker frozen in a refund; worker-frozen freezes charges",
    "M37": "needs a refund's webhook of another amount; forge lies about charges alone",
    "M38": "no ledger of the mail server is read: whether a letter was delivered nobody asks",
    "M39": "needs a payment's event of another amount in Kafka, which no service writes",
    "M40": _DEATH,
    "M41": _ANSWER,
    "M42": _ANSWER,
    "M43": _ANSWER,
    "M44": _ANSWER,
    "M45": _ANSWER,
    "M46": _ANSWER,
    "M47": "tried: webhook forge --all; no case has an object that contradicts its type",
    "M48": "needs a customer who confirms in a browser, and no command is one",
    "M49": "needs a row that no client can read, and no command writes one",
    "M50": "needs a batch that the broker refuses; poison goes past the publisher",
    "M51": "tried: check --only BP-C001; shows only in a publisher that began on an empty outbox",
    "M52": "tried: drill run last-copy-race; needs two orders of one book in one instant",
    "M54": _OTHERS,
    "M56": _OTHERS,
    "M57": _OTHERS,
    "M58": "tried: drill run poison-message; none of its records is more than a row can hold",
    "M59": "a group's offsets go with its topic here, so none can be confused",
    "M60": "tried: kill-storm; needs a death in the middle of a rebalance, which none aims at",
    "M74": "tried: drill run outage; a gateway that starts is away for less than it takes to tell",
    "M133": "needs a cancellation that overtakes its order in Kafka",
    "M154": "what is read twice counts once, so the ledgers agree",
    "M210": _LOOKED_AT,
    "M211": _LOOKED_AT,
    "M212": "breaks the drill's own tool: a freeze that did not happen is never believed",
    "M213": "breaks the drill's own tool, and no drill freezes there",
    "M220": _TRACES,
    "M221": _TRACES,
    "M222": _TRACES,
    "M223": _TRACES,
    "M225": "needs shadow mode beside v1, which no local stack has",
    "M228": _LONG_TRANSACTION,
    "M229": _LONG_TRANSACTION,
    "M230": "not tried: needs a batch whose acknowledgement is lost while its leader stays leader",
    "M265": _AWAY_FOR_LONG,
    "M266": _AWAY_FOR_LONG,
    **dict.fromkeys(("M238", "M239", "M240", "M241", "M242", "M243", "M244", "M245"), _STREAMED),
    "M231": "costs time alone, and no command judges how long a look takes",
    "M270": "needs more calls that hang than the gateway has threads",
    "M271": _TRACES,
    "M280": _PAST,
    "M281": "costs time alone: what was missed is found when the week's slices come to it",
    "M282": _PAST,
    "M272": "no command asks the gateway for anything without its token",
    "M273": "needs a payment's history written by hand, which no command writes",
    "M274": "needs an order and its cancellation in one poll",
    "M275": "costs a repeated record alone, which every consumer bears",
    "M250": _CAPTURED,
    "M251": _CAPTURED,
    **dict.fromkeys(("M276", "M277"), _STREAMED),
    "M252": "a metric; whether its alert rings is asked of Prometheus, which no local stack has",
}
"""Sabotage -> why no command finds it: nothing provokes it, or what was tried stayed green."""

ELSEWHERE: Final = {
    "tests/support/sabotage.py": ("M2", "no-signature-check"),
    "tests/crash_matrix/test_matrix_negative_control.py": ("M6", "M7"),
}
"""Wrong runtimes that tests write by themselves, and what here is like them."""


def sabotages_of_the_runtime() -> list[Mutant]:
    """Those that an operator could be given: what they change is no tool's."""
    return [
        mutant
        for mutant in MUTANTS
        if any(edit.file.startswith("runtime/") for edit in mutant.replacements)
    ]


def front_door(ids: Sequence[str] = ()) -> list[WrongStack]:
    """What the named sabotages, or all that a command finds, look like from outside.

    Raises:
        KeyError: no command finds one of them, or there is none of that name.
    """
    found = _found()
    for name in ids:
        found[name]
    return [stack for name, stack in found.items() if not ids or name in ids]


def _found() -> Mapping[str, WrongStack]:
    controls = {control.name: control for control in WRONG_STACKS}
    own = {stack.name: stack for stack in FOUND_BY}
    return {
        mutant.id: replace(
            own.get(mutant.id) or controls[FOUND_AS[mutant.id]],
            name=mutant.id,
            wrong=mutant.sabotage,
            edits=mutant.replacements,
        )
        for mutant in sabotages_of_the_runtime()
        if mutant.id in own or mutant.id in FOUND_AS
    }
