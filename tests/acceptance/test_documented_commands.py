"""Every command on a page or in a help is typed, in a folder with nothing but the installation.

What they name that is not there by itself (an order, a dead letter, v1's file) is made first and
put in place of the name; nothing else of a line is changed but how long it takes. The tests run in
their order: the demo and the README have one environment, the others the one that a help brings up.
"""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.base_images import write_base
from tests.support.command_line import CommandLine
from tests.support.command_tree import leaves
from tests.support.console_blocks import (
    Block,
    Typed,
    console_blocks,
    plain_variables,
    typed_into_one_shell,
)
from tests.support.documented_lines import filled, is_typed, wrong
from tests.support.many_commands import run_all
from tests.support.processes import Child, free_port
from tests.support.twin import STARTED
from tests.support.waiting import eventually, holds_for

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

BLOCKS: Final = list(console_blocks())

IDLE_SECONDS: Final = 10.0


def on_page(page: str) -> list[Block]:
    found = [block for block in BLOCKS if block.page == page]
    assert found, f"{page} has no console block"
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Empty but for `.venv`; whatever is brought up in it is taken down again."""
    made = tmp_path_factory.mktemp("documented")
    (made / ".venv").symlink_to(sys.prefix)
    yield made
    # All that any page brought up, whatever it is called.
    begun = {found.parent.name for found in (made / ".bookpay").glob("*/supervisord.conf")}
    left = [CommandLine(made / ".bookpay", name=name) for name in {"default", "shop"} | begun]
    assert [one.run("down", "--purge").returncode for one in left] == [0] * len(left)


def typed(lines: list[str], folder: Path, **variables: str) -> list[Typed]:
    activated = [". .venv/bin/activate", *lines]
    done = typed_into_one_shell(activated, folder, {**plain_variables(folder), **variables})
    return done[1:]


def examples() -> dict[str, str]:
    """The example in the help of each command, by the command's name."""
    found = {}
    for name, command in leaves():
        shown = re.findall(r"^Example: (.+)$", command.help or "", re.MULTILINE)
        assert len(shown) == 1, f"the help of {name!r} has {len(shown)} examples"
        assert f"bookpayctl {name}" in shown[0], f"the example of {name!r} is another command's"
        found[name] = shown[0]
    return found


def test_every_block_is_on_a_page_whose_commands_are_typed() -> None:
    whole = sum(
        path.read_text().count("```console\n")
        for folder in (".", "docs", "decisions")
        for path in (Path(__file__).parents[2] / folder).glob("*.md")
    )

    assert len(BLOCKS) == whole > 15
    # tests/unit/docs/test_developers_commands.py has those of CONTRIBUTING.md.
    # docs/kubernetes.md needs a cluster, and some of it the internet; the page about others' stacks
    # needs one of those, which tests/integration/mapped_stacks has. Storms take minutes each, and
    # are run when test_storms.py is asked to; docs/failpoints.md has developers' commands, half an
    # hour of them.
    assert {block.page for block in BLOCKS} == {
        *("README.md", "CONTRIBUTING.md", "docs/audit-your-own-stack.md"),
        *("docs/kubernetes.md", "docs/operating.md", "docs/stripe-twin.md"),
        *("docs/judge.md", "docs/simulation.md", "docs/storms.md", "docs/failpoints.md"),
    }
    assert all(block.commands for block in BLOCKS)


def test_the_demo_ends_well_and_leaves_the_stack_running(folder: Path) -> None:
    (demo,) = typed([examples()["demo"]], folder)

    assert demo.code == 0, demo.err[-3000:]
    assert (folder / "demo.xml").exists()
    assert (folder / ".bookpay" / "default").is_dir()


def test_the_readme_can_be_typed_from_its_first_line_to_its_last(folder: Path) -> None:
    shop = CommandLine(folder / ".bookpay", name="default")
    order = shop.ask("order", "place", "--wait", "paid")["order"]["id"]
    blocks = on_page("README.md")
    lines = [line for block in blocks for line in block.commands if is_typed(line)]

    done = typed([filled(line, {"paid order": order}) for line in lines], folder)

    assert wrong(done) == [], "\n".join(wrong(done))
    assert len(done) > 10
    answers = {one.line: one.out.splitlines() for one in done}
    shown = {
        line: list(block.shown_after(line))
        for block in blocks
        for line in block.commands
        if line in answers and block.shown_after(line)
    }
    assert {line: answers[line] for line in shown} == shown


@pytest.fixture(scope="module")
def shop(folder: Path) -> CommandLine:
    """The environment that the help of `up` brings up."""
    # What waits for its customer waits until this file is through, however slow the machine is.
    (up,) = typed([examples()["up"]], folder, BOOKPAY_WEBHOOK_WINDOW="2h")
    assert up.code == 0, up.err
    return CommandLine(folder / ".bookpay", name="shop")


@pytest.fixture
def made(shop: CommandLine, folder: Path) -> dict[str, str]:
    """One of each thing that pages and helps name."""

    def ordered(*arguments: str) -> dict[str, Any]:
        order: dict[str, Any] = shop.ask("order", "place", *arguments)["order"]
        return order

    paid, other = ordered("--wait", "paid"), ordered("--wait", "paid")
    failing = ordered("--payment-method", "pm_card_refundFail", "--wait", "paid")
    processing = ordered("--payment-method", "pm_twin_card_processing")
    action = ordered("--payment-method", "pm_card_authenticationRequired")
    parked = ordered("--payment-method", "pm_that_is_not_there")
    shop.ask("order", "cancel", failing["id"])
    letter = eventually(lambda: first(shop, "dlq", "dead_letters", parked["id"]), "a dead letter")
    # As if Stripe had said so eight times.
    shop.execute("UPDATE dead_letters SET reason = 'rate_limit'")
    eventually(
        lambda: first(shop, "refund", "refunds", failing["id"], state="failed"), "a failed refund"
    )
    for intent in ("pi_of_nobody", "pi_of_nobody_else"):
        lie = ("webhook", "send", "payment_intent.succeeded", "--order", paid["id"])
        shop.ask(*lie, "--payment-intent", intent)
    lies = [str(row["id"]) for row in shop.ask("webhook", "quarantine", "list")["quarantined"]]
    event = shop.ask("stripe", "events")["data"][0]["event_id"]
    waiting = eventually(lambda: intent_of(shop, action["id"]), "a PaymentIntent that waits")
    eventually(lambda: intent_of(shop, processing["id"]), "a PaymentIntent that is processed")
    v1_says(folder, paid["id"])
    audited = shop.ask("audit", "--timeout", "20s")
    return {
        "run of an audit": Path(audited["run_dir"]).name,
        "paid order": paid["id"],
        "another paid order": other["id"],
        "order whose refund failed": failing["id"],
        "processing order": processing["id"],
        "waiting PaymentIntent": waiting,
        "dead letter": str(letter["id"]),
        "two lies": " ".join(lies[:2]),
        "lie": lies[0],
        "other lie": lies[1],
        "event": event,
    }


def v1_says(folder: Path, order_id: str) -> None:
    (folder / "outcomes.csv").write_text(
        f"order_id,outcome,payment_intent_id,code\n{order_id},settled,pi_of_v1,\n"
    )


def first(
    shop: CommandLine, group: str, rows: str, order_id: str, **fields: str
) -> dict[str, Any] | None:
    wanted = {"order_id": order_id, **fields}
    found: list[dict[str, Any]] = shop.ask(group, "list")[rows]
    return next((row for row in found if wanted.items() <= row.items()), None)


def intent_of(shop: CommandLine, order_id: str) -> str | None:
    payment = shop.ask("order", "show", order_id)["order"].get("payment") or {}
    found: str | None = payment.get("payment_intent_id")
    return found


def test_the_example_of_every_help_does_what_it_says(
    shop: CommandLine, folder: Path, made: dict[str, str]
) -> None:
    # tests/cluster/test_taken_over.py has a cluster to attach to, and an image wants a cache;
    # tests/integration/mapped_stacks has a stack of others; test_rehearsed_runbooks.py rehearses;
    # benchmarks take minutes of an otherwise quiet machine, and a cache for servers of their own.
    apart = {"up", "demo", "down", "stripe serve", "attach", "image build", "runbook rehearse"}
    apart |= {"mapping init", "mapping test", "bench"}
    lines = {name: filled(line, made) for name, line in examples().items() if name not in apart}
    bare = [re.sub(r'^eval "\$\((.+)\)"$', r"\1", line) for line in lines.values()]

    words = [shlex.split(line)[1:] for line in bare]
    ran = run_all(words, folder, {"BOOKPAY_NAME": "shop"}, at_once=1)

    done = [Typed(line, one.code, one.out, one.err) for line, one in zip(bare, ran, strict=True)]
    assert len(done) > 40
    assert wrong(done) == [], "\n".join(wrong(done))


def test_the_example_of_image_build_builds_one(folder: Path) -> None:
    """With the variables of the tests: the first one in the life of a machine needs the network."""
    # What the image stands on; that it can run is seen in a cluster.
    write_base(folder / "python.tar", python=".".join(map(str, sys.version_info[:2])))
    line = f". .venv/bin/activate; {examples()['image build']}"

    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )

    assert done.returncode == 0, done.stderr
    assert (folder / "bookpay.tar").exists()


def test_the_page_of_the_twin_can_be_typed(shop: CommandLine, folder: Path) -> None:
    """The twin that it starts is still there when the other commands were typed, and idles."""
    serve, *others = [
        line
        for block in on_page("docs/stripe-twin.md")
        for line in block.commands
        if is_typed(line)
    ]
    child = serving(serve, folder)
    shown = on_page("docs/stripe-twin.md")[0].shown_after(serve)
    exports = re.findall(r"^export .+$", child.log, re.MULTILINE)

    done = typed([*exports, *others], folder)
    holds_for(lambda: not child.has_ended(), "a twin that idles serves", IDLE_SECONDS)
    asked = typed([*exports, "bookpayctl stripe fault list -o json"], folder)[-1]
    child.signal(signal.SIGINT)

    assert wrong(done) == [], "\n".join(wrong(done))
    assert len(others) == len(json.loads(asked.out)["data"])
    assert child.wait_end() == 0
    names = [line.partition("=")[0] for line in shown]
    assert [line.partition("=")[0] for line in child.log.splitlines()][-len(names) :] == names


def test_the_shortest_twin_and_that_of_the_help_serve(folder: Path) -> None:
    for line in ("bookpayctl stripe serve", examples()["stripe serve"]):
        child = serving(line.replace("12111", str(free_port())), folder)
        child.signal(signal.SIGINT)

        assert child.wait_end() == 0, child.log


def serving(line: str, folder: Path) -> Child:
    """A twin as it is typed, once it says that it is ready."""
    words = shlex.split(line)
    child = Child("serve", folder / "serve.log")
    STARTED.append(child)
    (folder / "serve.log").write_text("")
    child.launch(
        [str(folder / ".venv/bin" / words[0]), *words[1:]],
        plain_variables(folder),
        directory=folder,
    )
    child.wait_until(lambda: "ready" in child.log, "is ready")
    return child


@pytest.mark.parametrize("page", ["docs/judge.md", "docs/simulation.md"])
def test_a_page_that_explains_can_be_typed(shop: CommandLine, folder: Path, page: str) -> None:
    lines = [line for block in on_page(page) for line in block.commands if is_typed(line)]

    done = typed([filled(line, {}) for line in lines], folder, BOOKPAY_NAME=shop.name)

    assert wrong(done) == [], "\n".join(wrong(done))
    assert len(done) > 1


def test_the_page_for_operators_can_be_typed(
    shop: CommandLine, folder: Path, made: dict[str, str]
) -> None:
    """Last: it ends with a shadow, in which nothing is paid any more."""
    blocks = on_page("docs/operating.md")
    lines = [line for block in blocks for line in block.commands if is_typed(line)]
    shadow = lines.index("bookpayctl up --shadow-mode") + 1

    done = typed([filled(line, made) for line in lines[:shadow]], folder, BOOKPAY_NAME="shop")
    # What was brought in before, of orders that no shadow saw, has nothing to be compared with.
    shop.execute("DELETE FROM shadow_comparisons")
    order_id = shop.ask("order", "place")["order"]["id"]
    eventually(lambda: shop.ask("shadow", "report")["waiting_for_v1"], "the shadow's own call")
    v1_says(folder, order_id)
    done += typed([filled(line, made) for line in lines[shadow:]], folder, BOOKPAY_NAME="shop")

    assert wrong(done) == [], "\n".join(wrong(done))


def test_down_takes_the_environment_of_the_helps_away(shop: CommandLine, folder: Path) -> None:
    (down,) = typed([examples()["down"]], folder)

    assert down.code == 0, down.err
    assert not shop.root.exists()
