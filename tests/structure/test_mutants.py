"""The sabotages themselves: each still means what it says, and who tries them can say no.

All of them are tried by `nox -s mutants`. Here they are only held to the code as it is, and three
of those that need no server are really tried: other ones with every commit.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.controls.catalogue import WRONG_STACKS
from tests.mutants.catalogue import MUTANTS, REQUIRED, by_id
from tests.mutants.front_door import (
    ELSEWHERE,
    FOUND_AS,
    FOUND_BY,
    UNSEEN,
    front_door,
    sabotages_of_the_runtime,
)
from tests.mutants.mutant import Mutant, NotApplicableError, Replacement, changed_texts
from tests.mutants.origin import ForeignCodeError, check_origins, is_stranger
from tests.mutants.trial import copy_repository, read_report, run_tests, try_mutant, workplace
from tests.mutants.verdict import Finding, TestResult, Verdict, judge

ROOT: Final = Path(__file__).resolve().parents[2]
TRIED_PER_COMMIT: Final = 3

GREEN: Final = TestResult(passed=True)
CHECK: Final = "tests/unit/test_x.py::test_a_guarantee_holds"
HAPPY: Final = "tests/unit/test_x.py::test_an_order_is_paid"
SIGNATURE: Final = "runtime/domain/signature.py"
SIGNATURE_TEST: Final = "tests/unit/runtime/test_runtime_signature.py"


# --- the catalogue --------------------------------------------------------------------------


def test_the_required_sabotages_and_our_own_are_there_once_each() -> None:
    ids = [mutant.id for mutant in MUTANTS]

    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids, key=lambda name: int(name.removeprefix("M")))
    assert set(REQUIRED) <= set(ids)
    assert len(ids) >= len(REQUIRED) + 10


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_every_sabotage_still_applies_and_compiles(mutant: Mutant) -> None:
    changed = changed_texts(ROOT, mutant)

    assert changed
    assert mutant.caught_by
    assert mutant.smoke


def test_every_test_a_sabotage_names_exists() -> None:
    nodes = sorted({node for mutant in MUTANTS for node in (*mutant.smoke, *mutant.caught_by)})

    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *nodes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert collected.returncode == 0, collected.stdout + collected.stderr
    found = [line for line in collected.stdout.splitlines() if "::" in line]
    assert [n for n in nodes if not any(f == n or f.startswith(f"{n}[") for f in found)] == []


def test_every_sabotage_of_the_runtime_has_a_command_or_a_reason() -> None:
    found, runtime = {stack.name for stack in front_door()}, sabotages_of_the_runtime()

    assert found | set(UNSEEN) == {mutant.id for mutant in runtime}
    assert found & set(UNSEEN) == set()
    assert set(FOUND_AS) & {stack.name for stack in FOUND_BY} == set()
    assert all(len(reason) > 20 for reason in UNSEEN.values())
    assert len(found) > 20


def test_what_a_command_must_find_is_red_for_a_reason() -> None:
    answers = [red for stack in front_door() for red in stack.red]

    assert all("violated" in red.verdicts for red in answers)
    with pytest.raises(KeyError):
        front_door(["M1", "M4"])


def test_every_wrong_runtime_that_a_test_writes_is_like_one_that_is_tried() -> None:
    writing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if re.search(r"^SABOTAGE\b.* = \"\"\"$", path.read_text(), re.MULTILINE)
    }
    tried = {*(stack.name for stack in front_door()), *(control.name for control in WRONG_STACKS)}

    assert writing == set(ELSEWHERE)
    assert {name for names in ELSEWHERE.values() for name in names} <= tried


def test_a_name_that_is_no_sabotage_is_refused() -> None:
    with pytest.raises(KeyError):
        by_id(["M1", "M0"])


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("this text is not there", "", "0 times"),
        ("return", "yield", "times"),
        ("    if not headers or headers", "    if not headers or (headers", "compile"),
    ],
    ids=["not there", "many times", "does not compile"],
)
def test_a_sabotage_that_does_not_apply_exactly_is_refused(old: str, new: str, why: str) -> None:
    stale = Mutant("M0", "stale", (Replacement(SIGNATURE, old, new),), (CHECK,))

    with pytest.raises(NotApplicableError, match=why):
        changed_texts(ROOT, stale)


# --- the verdict ----------------------------------------------------------------------------


def red(message: str, *, in_fixture: bool = False) -> TestResult:
    return TestResult(False, message, in_fixture)


@pytest.mark.parametrize(
    ("check", "happy", "mistakes", "verdict"),
    [
        (red("AssertionError: not within 60 s"), GREEN, (), Verdict.CAUGHT),
        (red("assert 2 == 1"), GREEN, (), Verdict.CAUGHT),
        (red("Failed: DID NOT RAISE <class 'AssertionError'>"), GREEN, (), Verdict.CAUGHT),
        (red("psycopg.errors.CheckViolation: new row"), GREEN, (), Verdict.CAUGHT),
        (GREEN, GREEN, (), Verdict.SURVIVED),
        (red("assert 2 == 1"), red("assert 0"), (), Verdict.BROKEN),
        (red("assert 2 == 1"), None, (), Verdict.BROKEN),
        (None, GREEN, (), Verdict.BROKEN),
        (red("ImportError: cannot import name"), GREEN, (), Verdict.BROKEN),
        (red("NameError: name 'x' is not defined"), GREEN, (), Verdict.BROKEN),
        (red("AssertionError: worker ended", in_fixture=True), GREEN, (), Verdict.BROKEN),
        (red("skipped", in_fixture=True), GREEN, (), Verdict.BROKEN),
        (red("assert 2 == 1"), GREEN, ("worker-0: NameError",), Verdict.BROKEN),
    ],
)
def test_only_a_red_guarantee_in_a_program_that_runs_is_a_catch(
    check: TestResult | None,
    happy: TestResult | None,
    mistakes: tuple[str, ...],
    verdict: Verdict,
) -> None:
    results = {n: r for n, r in ((CHECK, check), (HAPPY, happy)) if r is not None}

    finding = judge(results, caught_by=[CHECK], smoke=[HAPPY], mistakes=mistakes)

    assert finding.verdict is verdict


def test_a_node_without_parameters_stands_for_all_of_them() -> None:
    results = {HAPPY: GREEN, f"{CHECK}[a]": GREEN, f"{CHECK}[b]": red("assert 2 == 1")}

    finding = judge(results, caught_by=[CHECK], smoke=[HAPPY], mistakes=())

    assert finding == Finding(Verdict.CAUGHT, "test_x.py::test_a_guarantee_holds[b] (assertion)")


def test_a_red_test_stays_red_whatever_its_clean_up_meets(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    case = '<testcase classname="tests.unit.test_x" name="test_a_guarantee_holds">'
    report.write_text(
        f'<testsuites><testsuite>{case}<failure message="assert 2 == 1"/></testcase>'
        f'{case}<error message="failed on teardown"/></testcase></testsuite></testsuites>'
    )

    assert read_report(report) == {CHECK: TestResult(passed=False, message="assert 2 == 1")}


# --- really tried ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with workplace() as found:
        yield found


@pytest.fixture(scope="module")
def pristine(folder: Path) -> Path:
    return copy_repository(ROOT, folder / "pristine")


def of_this_commit() -> list[Mutant]:
    """Three of the cheap ones, chosen by the commit's id, so that in time each has its turn."""
    revision = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    cheap = [mutant for mutant in MUTANTS if mutant.starts_nothing]
    first = int(revision[:8], 16) % len(cheap)
    return [cheap[(first + n) % len(cheap)] for n in range(TRIED_PER_COMMIT)]


def test_three_sabotages_of_this_commits_choice_are_caught(folder: Path, pristine: Path) -> None:
    chosen = of_this_commit()
    clean = run_tests(pristine, sorted({n for mutant in chosen for n in mutant.caught_by}))

    found = {m.id: try_mutant(pristine, folder / m.id, m, with_smoke=False) for m in chosen}

    assert [name for name, result in clean.results.items() if not result.passed] == []
    assert {name: finding.verdict for name, finding in found.items()} == {
        mutant.id: Verdict.CAUGHT for mutant in chosen
    }, found


def signature_mutant(name: str, old: str, new: str) -> Mutant:
    node = f"{SIGNATURE_TEST}::test_a_good_signature_is_genuine"
    return Mutant(name, "", (Replacement(SIGNATURE, old, new),), (node,))


def test_a_change_that_harms_nothing_is_reported_as_survived(folder: Path, pristine: Path) -> None:
    harmless = signature_mutant("harmless", "ITEMS_MAX: Final = 16", "ITEMS_MAX: Final = 17")

    finding = try_mutant(pristine, folder / "harmless", harmless, with_smoke=False)

    assert finding.verdict is Verdict.SURVIVED


def test_a_module_that_cannot_be_imported_is_no_catch(folder: Path, pristine: Path) -> None:
    broken = signature_mutant("broken", "import hmac\n", "import hmac_of_nobody as hmac\n")

    finding = try_mutant(pristine, folder / "broken", broken, with_smoke=False)

    assert finding.verdict is Verdict.BROKEN


def test_a_process_that_would_run_other_code_spoils_the_trial(tmp_path: Path) -> None:
    notes = tmp_path / ".origins"
    notes.mkdir()
    (notes / "1").write_text(f"python -m runtime\n{ROOT / 'runtime' / '__init__.py'}")

    with pytest.raises(ForeignCodeError, match="python -m runtime"):
        check_origins(tmp_path)


@pytest.mark.parametrize(
    ("command", "path", "strange"),
    [
        (["python", "-m", "runtime", "notifier"], "/copy", False),
        (["python", "-m", "runtime", "notifier"], "/modules:/copy", False),
        (["python", "-m", "runtime", "notifier"], "/elsewhere", True),
        (["python", "-m", "bookpayctl.stripe_twin"], "", True),
        (["python", "-m", "pytest"], "", False),
        (["postgres", "-D", "data"], "", False),
    ],
)
def test_a_program_without_the_copy_on_its_path_is_a_stranger(
    command: list[str], path: str, strange: bool
) -> None:
    assert is_stranger(command, {"PYTHONPATH": path}, Path("/copy")) is strange
