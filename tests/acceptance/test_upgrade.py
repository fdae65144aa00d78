"""The runbook for an upgrade, gone through on this machine: from 0.1.0, with every migration since.

An installation brings one version of itself, so `runbook rehearse` has none to upgrade from. A
checkout has: the tree of a release is in its history.
"""

from __future__ import annotations

import io
import json
import subprocess
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets import environment
from runtime.sql import migrations
from tests.support.command_line import CommandLine
from tests.support.stack import Database

ROOT: Final = Path(__file__).parents[2]

BEFORE: Final = "0.1.0"
ITS_TREE: Final = "e2164d822090c97674de4b9bd2bc9924766d246d"
"""The commit that gave it its heading in the changelog."""


def has_it() -> bool:
    """Whether this is a clone whose history goes back so far."""
    asked = subprocess.run(
        ["git", "-C", str(ROOT), "cat-file", "-e", f"{ITS_TREE}^{{commit}}"],
        capture_output=True,
        check=False,
    )
    return asked.returncode == 0


pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not has_it(), reason=f"no clone with the history since {BEFORE}"),
]


@dataclass(frozen=True)
class EarlierCommandLine(CommandLine):
    """`bookpayctl` of another installation: its own Python, and its own tree in front of all.

    Attributes:
        python: of a virtual environment that has that tree.
    """

    python: Path = Path()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ours = ("PYTHONPATH", "BOOKPAY_PYTHONPATH")
        return subprocess.run(
            [str(self.python), "-m", "bookpayctl", *arguments],
            env={name: value for name, value in self.variables().items() if name not in ours},
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=self.seconds_max,
            check=False,
        )


def installed(folder: Path) -> Path:
    """A Python that has the release before, with the packages that are installed here."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", ITS_TREE, "bookpayctl", "runtime"],
        capture_output=True,
        check=True,
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as packed:
        packed.extractall(folder / "tree", filter="data")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    here = sysconfig.get_path("purelib")
    (packages / "before.pth").write_text(f"{folder / 'tree'}\n{here}\n")
    return folder / "venv" / "bin" / "python"


@pytest.fixture
def before(tmp_path: Path) -> Iterator[CommandLine]:
    """An environment that 0.1.0 has brought up, by its own command line."""
    old = EarlierCommandLine(tmp_path / ".bookpay", python=installed(tmp_path / "before"))
    up = old.run("up")
    try:
        assert up.returncode == 0, up.stderr
        yield old
    finally:
        down = CommandLine(old.home).run("down", "--purge")
    assert down.returncode == 0, down.stderr


def placed(shop: CommandLine, *arguments: str) -> str:
    done = shop.run("order", "place", *arguments, "-o", "json")
    assert done.returncode == 0, done.stderr
    order_id: str = json.loads(done.stdout)["order"]["id"]
    return order_id


def applied_in(shop: CommandLine) -> list[str]:
    """The migrations that the database has, in their order."""
    database = Database(environment.load_from(shop.root, shop.name).dsn)
    try:
        rows = database.rows("SELECT name FROM schema_migrations ORDER BY number")
        return [name for (name,) in rows]
    finally:
        database.conn.close()


def test_its_page_leads_from_the_release_before_to_this_one(before: CommandLine) -> None:
    orders = [placed(before, "--wait", "paid"), *(placed(before) for _ in range(3))]
    applied = applied_in(before)
    now = CommandLine(before.home, seconds_max=600)

    ran = now.ask("runbook", "run", "upgrade", "--yes")

    wrong = [item for item in ran["items"] if item["verdict"] not in ("holds", "skipped")]
    assert wrong == [], "\n".join("\n".join(item["evidence"]) for item in wrong)
    assert ran["exit"]["code"] == ExitCode.PASS
    assert applied_in(now) == [one.name for one in migrations()] != applied
    for order_id in orders:
        assert now.ask("order", "show", order_id)["order"]["status"] == "paid"
