"""Everything that must hold, as sessions: `nox` runs what CI runs, under the same names.

The default sessions go from cheap to dear. One that fails does not hide the others, and nox exits
non-zero when any did. pytest runs once, at the end, over everything: its closing line counts all.
`unit`, `integration` and `acceptance` are slices of it for the engineer at work.

Sessions run in the environment nox itself runs in (`make test` builds .venv for it); nothing is
installed here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "none"
nox.options.stop_on_first_error = False

ROOT: Final = Path(__file__).parent

# What the files say of themselves first; then dear before cheap, so that of two processes none is
# left alone with a cluster at the end.
TEST_FOLDERS: Final = (
    "tests/structure",
    "tests/cluster",
    "tests/crash_matrix",
    "tests/acceptance",
    "tests/integration",
    "tests/contract",
    "tests/unit",
)

# Most tests wait for a process most of the time. tests/support/workers.py says who runs which.
SIDE_BY_SIDE: Final = ("--numprocesses=2", "--no-loadscope-reorder")

# CI is meant to take less than 60 minutes on a machine that is its own. This bound is for a
# busy one: pytest then ends between two tests and still prints its closing line.
TESTS_TIMEOUT_SECONDS: Final = 70 * 60
# Everything has half a processor at most, and starts and stops many processes.
BUSY_TIMEOUT_SECONDS: Final = 3 * TESTS_TIMEOUT_SECONDS


@nox.session
def style(session: nox.Session) -> None:
    """Names, imports and layout as ruff reads them; nothing is rewritten."""
    python(session, "ruff", "check", ".")
    python(session, "ruff", "format", "--check", ".")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Contenders in turns on servers of their own; arguments as of `bookpayctl bench`."""
    python(session, "benchmarks", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """Types of both programs, their tests and benchmarks, and of this file, strictly."""
    python(session, "mypy")


@nox.session
def contracts(session: nox.Session) -> None:
    """Who may import whom (.importlinter)."""
    # What the script `lint-imports` does. import-linter has no module to run, and the first line of
    # a script cannot name every folder that a clone may lie in.
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    session.run(sys.executable, "-c", command, external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """The parts of the pages that are made from the code are as the code makes them today."""
    python(session, "docs.generate", "--check")


@nox.session(default=False)
def structure(session: nox.Session) -> None:
    """Lengths, names, locks, decisions, sabotages: what a test can say about the repository."""
    pytest(session, "tests/structure")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests in one run of pytest, two at a time; arguments after `--` go to pytest."""
    pytest(session, *TEST_FOLDERS, *SIDE_BY_SIDE, f"--session-timeout={TESTS_TIMEOUT_SECONDS}")


@nox.session(default=False)
def unit(session: nox.Session) -> None:
    """Tests that start no server, and the contract suites."""
    pytest(session, "tests/unit", "tests/contract")


@nox.session(default=False)
def integration(session: nox.Session) -> None:
    """Tests against real PostgreSQL and Kafka, which they bring up themselves."""
    pytest(session, "tests/integration")


@nox.session(default=False)
def acceptance(session: nox.Session) -> None:
    """Whole environments: up, disturb, judge."""
    pytest(session, "tests/acceptance")


@nox.session(default=False)
def cluster(session: nox.Session) -> None:
    """What needs a cluster (tests/support/cluster.py says which), on both platforms."""
    session.env["BOOKPAY_PARITY"] = session.env["BOOKPAY_CLUSTER_DRILLS"] = "1"
    pytest(session, "tests/cluster", f"--session-timeout={TESTS_TIMEOUT_SECONDS}")


@nox.session(default=False)
def rehearse(session: nox.Session) -> None:
    """Each runbook whose situation can be caused on one machine: caused, run, proven; minutes."""
    session.env["BOOKPAY_REHEARSE"] = "1"
    pytest(session, "tests/acceptance/test_rehearsed_runbooks.py")


@nox.session(default=False)
def smoke(session: nox.Session) -> None:
    """A certificate of a fresh stack, and one of a stack that is wrong on purpose; minutes."""
    session.env["BOOKPAY_SMOKE"] = "1"
    pytest(session, "tests/acceptance/test_certificates.py")


@nox.session(default=False)
def operators(session: nox.Session) -> None:
    """Each component with its real operator, one stack after another; some minutes each."""
    session.env["BOOKPAY_OPERATORS"] = "1"
    # First: it wants to install one itself.
    pytest(session, "tests/cluster/test_operator_installed.py", "tests/cluster/operators")


@nox.session(default=False)
def kind(session: nox.Session) -> None:
    """A cluster of the real kind, made, used and deleted (tests/support/kind.py)."""
    session.env["BOOKPAY_KIND"] = "1"
    pytest(session, "tests/cluster/test_on_kind.py", "-rP")


@nox.session(default=False)
def busy(session: nox.Session) -> None:
    """The tests beside two busy loops; paths and options of pytest after `--` choose some."""
    chosen = [word for word in session.posargs if (ROOT / word.partition("::")[0]).exists()]
    folders = () if chosen else (*TEST_FOLDERS, f"--session-timeout={BUSY_TIMEOUT_SECONDS}")
    python(session, "tests.support.busy_loops", "pytest", *folders, *session.posargs)


@nox.session(default=False)
def crash_matrix(session: nox.Session) -> None:
    """Every failpoint with every fault, one cell after another; `tests` runs a sample of it."""
    session.env["BOOKPAY_CRASH_MATRIX"] = "all"
    pytest(session, "tests/crash_matrix", f"--session-timeout={TESTS_TIMEOUT_SECONDS}")


@nox.session(default=False)
def drills(session: nox.Session) -> None:
    """Every drill of this machine at every point, one after another; half a minute or more each."""
    session.env["BOOKPAY_DRILLS"] = "1"
    pytest(session, "tests/acceptance/test_drills.py")


@nox.session(default=False)
def storm(session: nox.Session) -> None:
    """Storms of several seeds and profiles, one after another; two minutes or more each."""
    session.env["BOOKPAY_STORM"] = "1"
    pytest(session, "tests/acceptance/test_storms.py")


@nox.session(default=False)
def signals(session: nox.Session) -> None:
    """INT, TERM and KILL in every phase of a drill, and what they leave; minutes."""
    session.env["BOOKPAY_SIGNALS"] = "1"
    pytest(session, "tests/acceptance/test_signals.py")


@nox.session(default=False)
def controls(session: nox.Session) -> None:
    """Every red control: each question, asked of what is wrong on purpose."""
    python(session, "bookpayctl", "check", "--selftest", "--brief")
    for command in ("audit", "replay", "demo"):
        python(session, "bookpayctl", command, "--selftest")
    python(session, "bookpayctl", "webhook", "forge", "--all", "--selftest")
    python(session, "bookpayctl", "drill", "run", "--all", "--control")


@nox.session(default=False)
def certify(session: nox.Session) -> None:
    """From a clean cluster to a verdict and back, three times, with what each step took."""
    session.env["BOOKPAY_CERTIFY"] = "1"
    pytest(session, "tests/cluster/test_certified.py", "-rP")


@nox.session(default=False)
def schemathesis(session: nox.Session) -> None:
    """The OpenAPI contracts at length: BOOKPAY_SCHEMATHESIS_SECONDS a service, or ten minutes."""
    session.env.setdefault("BOOKPAY_SCHEMATHESIS_SECONDS", "600")
    pytest(session, "tests/contract/test_openapi_edges.py")


@nox.session(default=False)
def simulate(session: nox.Session) -> None:
    """100,000 seeds of the payment protocol, and its sabotages; arguments after `--` are added."""
    python(session, "bookpayctl", "simulate", "--mutants")
    workers = str(os.cpu_count() or 1)
    played = ("bookpayctl", "simulate", "--seeds", "100000", "--workers", workers)
    python(session, *played, *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Every sabotage must be caught by a test, with `--by-tool` by a command; `-- M7` for one."""
    python(session, "tests.mutants", *session.posargs)


def pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest on those of the given folders that exist, with the developer's own arguments."""
    present = [word for word in arguments if word.startswith("-") or (ROOT / word).exists()]
    if not any((ROOT / word).exists() for word in present):
        session.error(f"none of {', '.join(arguments)} is there; nothing run is not a pass")
    python(session, "pytest", *present, *session.posargs)


def python(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a tool as a module of this interpreter, so that it is the locked version of it."""
    session.run(sys.executable, "-m", module, *arguments, external=True)
