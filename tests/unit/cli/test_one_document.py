"""Whatever happens, a command that was asked for a document prints exactly one, with its code.

Every command of the tool is walked: without an environment, with one that is stopped, with wrong
options and names, with settings that cannot be read.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.cli.ending import format_asked
from bookpayctl.cli.streams import Stream
from bookpayctl.report.exit_code import ExitCode
from tests.support.command_tree import asking_for_a_document, formats, leaves
from tests.support.many_commands import run_all, wrong_with_all
from tests.support.processes import HEEDING
from tests.support.waiting import eventually

# Brought up, these would work; they are asked wrongly only.
# What works without an environment, and long where it does: an image with whatever engine there is.
BRINGS_UP = {"up", "demo", "certify", "bench", "image build"}
# Reads no settings, and what it comes to does not depend on any.
READS_NOTHING = {"simulate"}
# Runs until it is stopped, and has no document.
SERVES = {"stripe serve"}


def outcomes(directory: Path) -> None:
    (directory / "outcomes.csv").write_text("order_id,outcome\nord_1,declined\n")


def test_every_command_but_those_that_serve_can_answer_in_json() -> None:
    without = {name for name, command in leaves() if "json" not in formats(command)}

    assert without == SERVES


def test_in_an_empty_folder_every_command_says_why_it_cannot(tmp_path: Path) -> None:
    outcomes(tmp_path)

    ran = run_all(list(asking_for_a_document(but=BRINGS_UP, every_format=True)), tmp_path)

    assert len(ran) > 50
    assert wrong_with_all(ran) == []
    codes = {one.words[0]: one.code for one in ran}
    assert codes["audit"] == codes["status"] == codes["order"] == ExitCode.USAGE


def test_with_a_stopped_environment_every_command_says_so(tmp_path: Path) -> None:
    outcomes(tmp_path)
    stopped_environment(tmp_path / ".bookpay" / "default")

    ran = run_all(
        list(asking_for_a_document(but={*BRINGS_UP, "down"}, every_format=True)), tmp_path
    )

    assert wrong_with_all(ran) == []
    codes = {" ".join(one.words[:2]): one.code for one in ran if "json" in one.words}
    for name in ("audit --timeout", "replay --timeout", "order list", "shadow report"):
        assert codes[name] == ExitCode.UNKNOWN, name
    assert codes["status -o"] in (ExitCode.VIOLATED, ExitCode.UNKNOWN)


@pytest.mark.parametrize(
    "wrong",
    [("--no-such-option",), ("--name", "NOT A NAME"), ("--name", "nobody"), ("--limit", "many")],
    ids=lambda words: words[-1].strip("-"),
)
def test_asked_wrongly_every_command_says_what_was_wrong(
    tmp_path: Path, wrong: tuple[str, ...]
) -> None:
    outcomes(tmp_path)
    but = BRINGS_UP if wrong[-1] == "nobody" else ()

    ran = run_all(list(asking_for_a_document(more=wrong, but=but)), tmp_path)

    assert wrong_with_all(ran) == []
    mistaken = [one for one in ran if one.code != ExitCode.USAGE]
    # These work without an environment; the first shows whatever is set.
    harmless = {"nobody": {"config", "doctor", "down"}, "NOT A NAME": {"config"}}
    assert {one.words[0] for one in mistaken} <= harmless.get(wrong[-1], set())


def unreadable(path: Path) -> None:
    path.write_text("")
    path.chmod(0)


SPOILED: dict[str, Callable[[Path], object]] = {
    "no TOML": lambda path: path.write_text("name = \n"),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "a folder": lambda path: path.mkdir(),
    "a loop": lambda path: path.symlink_to(path),
    "an unknown setting": lambda path: path.write_text("nobody_asks = 1\n"),
    "another type": lambda path: path.write_text("name = [1, 2]\n"),
    # Root reads it all the same; then there is nothing in it.
    "another's": unreadable,
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_settings_that_cannot_be_read_are_told_in_the_format_asked_for(
    tmp_path: Path, spoiled: str
) -> None:
    outcomes(tmp_path)
    SPOILED[spoiled](tmp_path / "bookpay.toml")

    asked = asking_for_a_document(but=BRINGS_UP | READS_NOTHING)
    ran = run_all(list(asked), tmp_path)

    assert wrong_with_all(ran) == []
    assert {one.code for one in ran} <= {ExitCode.PASS, ExitCode.USAGE, ExitCode.VIOLATED}
    # Those that read no settings at all.
    untouched = {one.words[:2] for one in ran if one.code == ExitCode.PASS}
    readers = {("drill", "list"), ("explain", "BP-C001"), ("runbook", "list"), ("runbook", "show")}
    if spoiled != "another's" or os.geteuid() != 0:
        assert untouched <= readers


def test_a_group_without_a_command_and_a_command_without_its_words(tmp_path: Path) -> None:
    groups = [["order"], ["stripe", "fault"], ["nonsense"], ["order", "show"], []]

    ran = run_all([[*words, "-o", "json"] for words in groups], tmp_path)

    assert wrong_with_all(ran) == []
    assert {one.code for one in ran} == {ExitCode.USAGE}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["audit", "-o", "json"], "json"),
        (["audit", "-ojson"], "json"),
        (["audit", "-o=junit"], "junit"),
        (["audit", "-vo", "junit"], "junit"),
        (["audit", "--output=json"], "json"),
        (["audit", "--output", "json", "-o", "table"], None),
        (["audit", "-o", "xml"], None),
        (["audit", "-o"], None),
        (["explain", "--", "-o", "json"], None),
        (["status", "-n", "shop"], None),
    ],
)
def test_the_format_is_known_before_anything_is_parsed(words: list[str], asked: str | None) -> None:
    assert format_asked(words) == asked


def test_text_has_nothing_on_stdout_when_there_is_nothing_to_say(tmp_path: Path) -> None:
    (ran,) = run_all([["audit"]], tmp_path)

    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert "no environment" in ran.err


def begun(*words: str, directory: Path) -> subprocess.Popen[str]:
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(filter(None, sys.path))}
    return subprocess.Popen(
        [*HEEDING, sys.executable, "-m", "bookpayctl", *words],
        env=own,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_command_that_is_stopped_says_so_in_its_document(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    fifo = tmp_path / "outcomes"
    os.mkfifo(fifo)
    stopped_environment(tmp_path / ".bookpay" / "default")
    process = begun("shadow", "import", str(fifo), "-o", "json", directory=tmp_path)
    # Once somebody writes to it, the command reads it, and waits for more.
    writer = eventually(lambda: opened_for_writing(fifo), "the command reads its file")

    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    os.close(writer)

    assert process.returncode == code, err
    assert json.loads(out)["exit"]["code"] == code
    assert "stopped by" in err


def opened_for_writing(fifo: Path) -> int | None:
    try:
        return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


@pytest.mark.parametrize(
    "start",
    [
        'exec "$1" status -o json',
        # As an installation is started that lies in a folder with a space: a shell in between.
        """exec /bin/sh -c 'exec "$0" status -o json' "$1" """,
    ],
)
def test_a_folder_that_was_deleted_under_the_shell_is_named(tmp_path: Path, start: str) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = Path(sys.executable).with_name("bookpayctl")
    script = f'cd "$0" && rmdir "$0" && {start}'

    done = subprocess.run(
        ["/bin/sh", "-c", script, str(gone), str(program)],
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == ExitCode.USAGE, done.stderr
    assert str(gone) in done.stderr
    assert "does not exist any more" in done.stderr
    assert json.loads(done.stdout)["exit"] == {"code": 2, "reason": "folder_is_gone"}


def shell(directory: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A line of a shell, in which `bookpayctl` is the tool."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(filter(None, sys.path))}
    line = command.replace("bookpayctl", '"$0" -m bookpayctl')
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", line, sys.executable],
        env=own,
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("bookpayctl config show >&-", "closed"),
        ("bookpayctl config show -o json >&-", "closed"),
        ("bookpayctl config show >/dev/full", "No space left"),
        ("bookpayctl drill list | head -0", ""),
        ("bookpayctl config show >&- 2>&-", ""),
        ("bookpayctl config show 2>/dev/full", ""),
    ],
)
def test_a_stdout_that_takes_nothing_does_not_change_what_was_done(
    tmp_path: Path, line: str, words: str
) -> None:
    done = shell(tmp_path, line)

    assert done.returncode == ExitCode.PASS, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "nothing is known" not in done.stderr


@pytest.mark.parametrize("size", [1, 1_000_000])
def test_a_text_is_lost_without_raising_whether_a_buffer_held_it_or_not(size: int) -> None:
    with Path("/dev/full").open("w") as real:
        stream = Stream(real, real.fileno())

        stream.write("x" * size)
        stream.flush()
        stream.write("more")

        assert "No space left" in (stream.lost or "")
        assert not stream.reader_left


def test_a_stdout_that_takes_nothing_does_not_make_a_failure_good(tmp_path: Path) -> None:
    for sink in (">&-", ">/dev/full", "| head -0"):
        done = shell(tmp_path, f"bookpayctl audit -o json {sink}")

        assert done.returncode == ExitCode.USAGE, done.stderr
        assert "no environment" in done.stderr


def test_what_is_shown_of_the_tool_outlives_python_without_docstrings(tmp_path: Path) -> None:
    helps = [[*name.split(), "--help"] for name, _ in leaves()]
    explained = [["explain", name] for name in ("I10", "BP-C004", "outage")]

    plain = run_all([*helps, *explained], tmp_path)
    bare = run_all([*helps, *explained], tmp_path, python=("-OO",))

    assert len(plain) > 50
    assert [one.words for one in plain if one.code or not one.out] == []
    assert bare == plain
    assert "succeeded charge" in bare[-3].out


def stopped_environment(root: Path) -> None:
    """What `up` and `down` leave: the files are whole, and nobody listens."""
    (root / "secrets").mkdir(parents=True)
    for name in ("stripe-api-key", "orders-token", "gateway-token", "webhook-secret", "pgpass"):
        (root / "secrets" / name).write_text("sk_test_nobody\n")
    document: dict[str, Any] = {
        "name": "default",
        "root": str(root),
        "target": "local",
        "dsn": "postgresql://nobody@127.0.0.1:1/none",
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "stripe_api_base": "http://127.0.0.1:1",
        "stripe_control_url": "http://127.0.0.1:1",
        "orders_url": "http://127.0.0.1:1",
        "gateway_url": "http://127.0.0.1:1",
        "webhook_url": "http://127.0.0.1:1/stripe/webhook",
        "mail_dir": str(root),
        "tenant_id": "acme-books",
        "processes": [{"name": "postgres", "service": "postgres", "port": 1}],
        "psql_dir": None,
        "settings": {},
    }
    (root / "environment.json").write_text(json.dumps(document))
