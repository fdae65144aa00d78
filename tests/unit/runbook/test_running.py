"""A page is gone through with real commands, the smallest there are: the interpreter itself."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.report.junit import junit_document
from bookpayctl.report.result import Report
from bookpayctl.report.verdict import Verdict
from bookpayctl.runbook import transcript
from bookpayctl.runbook.deciding import Chosen
from bookpayctl.runbook.page import Step, runbook
from bookpayctl.runbook.running import MissingVariableError, RunbookRequest, run_runbook
from bookpayctl.runs.directory import broken_links, read_lines
from bookpayctl.targets.environment import Environment
from tests.support.documents import ENVIRONMENT
from tests.support.waiting import eventually

PYTHON = shlex.quote(sys.executable)
SECRET = "the-token-of-this-shop"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return replace(ENVIRONMENT, root=tmp_path / "shop", target="local", psql_dir=None)


def block(code: str, *shown: str, words: str = "") -> str:
    """A block that types one line of Python."""
    lines = "\n".join((f"$ {PYTHON} -c {shlex.quote(code)}", *shown))
    return f"```console {words}\n{lines}\n```\n"


def page(*parts: str) -> str:
    return "\n".join(("---\nunrehearsed: a test\n---\n# A page\n", *parts))


def went(
    environment: Environment,
    text: str,
    *,
    yes: bool = False,
    ask: Callable[[Step], bool] | None = None,
    step: int | None = None,
    **values: str,
) -> Report:
    book = runbook("page", text)
    steps = tuple(one for one in book.steps if step in (None, one.number))
    request = RunbookRequest(
        Chosen(book, "local", steps), environment, values, yes=yes, ask=ask, secrets=(SECRET,)
    )
    return run_runbook(request, lambda line: None)


def journal(report: Report) -> list[dict[str, Any]]:
    assert report.run_dir is not None
    return list(read_lines(Path(report.run_dir) / "journal.jsonl"))


GOOD = block("print('well')", "well")
PROOF = "## Proof\n\n"


def test_a_page_whose_every_answer_is_as_expected_passes(environment: Environment) -> None:
    report = went(environment, page(GOOD, PROOF, GOOD))

    assert report.code is ExitCode.PASS
    assert [item.verdict for item in report.items] == [Verdict.HOLDS, Verdict.HOLDS]
    assert [item.id for item in report.items] == ["runbook/page/1", "runbook/page/2"]


def test_the_first_wrong_answer_ends_it_with_both_side_by_side(environment: Environment) -> None:
    report = went(environment, page(block("print('ill')", "well"), PROOF, GOOD))

    first, second = report.items
    assert report.code is ExitCode.VIOLATED
    assert "well" in first.evidence[1]
    assert first.evidence[1].endswith("| ill")
    assert second.verdict is Verdict.SKIPPED
    assert second.reason == "step 1 was not as expected"


def test_what_one_step_captures_the_next_one_uses(environment: Environment) -> None:
    captures = block("print('order ord_7')", "order (?P<ORDER>\\w+) (re)")
    # A program's own word: the name stands in an argument of its own.
    uses = f"```console\n$ {PYTHON} -c 'import sys; print(sys.argv[1:])' $ORDER\n['ord_7']\n```\n"

    report = went(environment, page(captures, PROOF, uses))

    assert report.code is ExitCode.PASS


def test_a_step_whose_value_an_answer_did_not_have_is_skipped(environment: Environment) -> None:
    looks = block("print('{}')", ".letter as LETTER? (json)")
    uses = f"```console\n$ {PYTHON} -c pass $LETTER\n```\n"

    report = went(environment, page(looks, uses, PROOF, GOOD))

    assert report.code is ExitCode.PASS
    assert report.items[1].reason == "there is no $LETTER: an earlier answer had none"


def test_a_page_of_which_nothing_was_typed_is_vacuous(environment: Environment) -> None:
    report = went(environment, page(PROOF, block("print(1)", "1", words="on=kube")))

    assert report.code is ExitCode.VACUOUS
    assert [item.reason for item in report.items] == ["only on kube"]


def test_a_page_whose_proof_was_skipped_is_vacuous(environment: Environment) -> None:
    report = went(environment, page(GOOD, PROOF, block("print(1)", "1", words="on=kube")))

    assert report.code is ExitCode.VACUOUS
    assert report.notes == ("no step of Proof was run: nothing says that it is over",)


def test_what_the_shell_has_for_libpq_reaches_no_command(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "somewhere.else")
    asks = block(
        "import os; print(os.environ.get('PGHOST'), os.environ['BOOKPAY_NAME'])", "None golden"
    )

    report = went(environment, page(PROOF, asks))

    assert report.code is ExitCode.PASS


def test_one_step_alone_proves_itself(environment: Environment) -> None:
    report = went(environment, page(GOOD, PROOF, GOOD), step=1)

    assert report.code is ExitCode.PASS
    assert len(report.items) == 1


def test_a_value_that_nobody_gave_stops_it_before_the_first_step(environment: Environment) -> None:
    needy = page(GOOD, f"```console\n$ {PYTHON} -c pass $ORDER\n```\n")

    with pytest.raises(MissingVariableError, match="--set ORDER=VALUE"):
        went(environment, needy)
    assert not environment.runs_dir.exists()


def test_without_a_terminal_a_dangerous_page_is_refused_whole(
    environment: Environment, tmp_path: Path
) -> None:
    touched = tmp_path / "touched"
    touch = block(f"open({str(touched)!r}, 'w')")
    text = page(touch, PROOF, block("print('well')", "well", words='danger="stops the shop"'))

    report = went(environment, text)
    with_yes = went(environment, text, yes=True)

    assert report.code is ExitCode.REFUSED
    assert "step 2 stops the shop" in report.context["refused"]
    assert report.run_dir is None
    assert with_yes.code is ExitCode.PASS
    assert touched.exists()


def test_whoever_does_not_agree_has_refused(environment: Environment) -> None:
    text = page(PROOF, block("print('well')", "well", words='danger="stops the shop"'))
    asked: list[int] = []

    def refuses(step: Step) -> bool:
        asked.append(step.number)
        return False

    no = went(environment, text, ask=refuses)
    yes = went(environment, text, ask=lambda step: True)

    assert asked == [1]
    assert no.code is ExitCode.REFUSED
    assert yes.code is ExitCode.PASS


def test_a_step_is_typed_again_until_it_answers_as_expected(
    environment: Environment, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    code = f"f = open({str(count)!r}, 'a+'); f.write('x'); print(f.tell() > 1)"

    report = went(environment, page(PROOF, block(code, "True", words="within=30s")))

    assert report.code is ExitCode.PASS
    assert count.read_text() == "xx"
    assert [line["attempts"] for line in journal(report) if "attempts" in line] == [2]


def test_a_step_that_does_not_end_in_time_is_ended(
    environment: Environment, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    code = f"import os, signal; open({str(pid)!r}, 'w').write(str(os.getpid())); signal.pause()"

    report = went(environment, page(PROOF, block(code, "x", words="deadline=1s")))

    assert report.code is ExitCode.DEADLINE
    assert report.items[0].observed == "did not end within 1 s and was ended"
    assert not psutil.pid_exists(int(pid.read_text()))


def test_a_program_that_is_not_there_is_unknown(environment: Environment) -> None:
    report = went(environment, page(PROOF, "```console\n$ no-such-program\nx\n```\n"))

    assert report.code is ExitCode.UNKNOWN
    assert report.items[0].reason == "no-such-program is not on PATH"


def test_ctrl_c_ends_the_child_and_says_so(environment: Environment, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    code = f"import os, signal; open({str(pid)!r}, 'w').write(str(os.getpid())); signal.pause()"

    def press() -> None:
        eventually(lambda: pid.exists() and pid.read_text(), "the child runs")
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    report = went(environment, page(block(code, "x"), PROOF, GOOD))
    pressing.join()

    assert report.code is ExitCode.INTERRUPTED
    assert [item.reason for item in report.items] == ["stopped by SIGINT"] * 2
    assert not psutil.pid_exists(int(pid.read_text()))


def test_a_transcript_has_every_answer_and_follows_itself(
    environment: Environment, tmp_path: Path
) -> None:
    report = went(environment, page(GOOD, PROOF, block("print('over')", "over")))
    run_dir = Path(report.run_dir or "")

    transcript.keep(run_dir)
    transcript.export(run_dir, tmp_path / "said.json")
    transcript.export(run_dir, tmp_path / "said.md")

    document = json.loads((tmp_path / "said.json").read_text())
    again = tmp_path / "journal.jsonl"
    lines = [json.dumps(line, separators=(",", ":")) for line in document["lines"]]
    again.write_text("".join(f"{line}\n" for line in lines))
    assert broken_links(again) == []
    again.write_text("".join(f"{line}\n" for line in lines if "over" not in line))
    assert broken_links(again) != []
    assert "over" in (tmp_path / "said.md").read_text()
    assert "**Verdict holds, exit 0.**" in (tmp_path / "said.md").read_text()


def test_no_secret_is_written_down(environment: Environment) -> None:
    leaks = block(f"import sys; print({SECRET!r}); print({SECRET!r}, file=sys.stderr)", "nothing")

    report = went(environment, page(leaks))
    run_dir = Path(report.run_dir or "")
    transcript.keep(run_dir)

    written = [path.read_text() for path in run_dir.iterdir()]
    assert any("[redacted]" in text for text in written)
    assert not any(SECRET in text for text in [*written, junit_document(report), str(report)])


def test_each_step_is_a_case_of_junit(environment: Environment) -> None:
    report = went(environment, page(GOOD, block("print('ill')", "well"), PROOF, GOOD))

    suite = junit_document(report)

    assert 'tests="3" failures="1" errors="0" skipped="1"' in suite
