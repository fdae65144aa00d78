"""What a release hands out: whole, found without a checkout, and the same from wheel and sdist."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support.built_wheel import Installed, built, copied_sources, installed
from tests.support.processes import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    return built("sdist", copied_sources(folder / "sources"), folder / "sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """Of the sdist, as the release's is: what that lacks is found here."""
    folder = sdist.parents[1]
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (sources,) = (folder / "unpacked").iterdir()
    return built("wheel", sources, folder / "wheel")


@pytest.fixture(scope="module")
def shipped(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return installed(wheel, tmp_path_factory.mktemp("shipped"))


def packed(wheel: Path) -> set[str]:
    """Every file of the programs that a wheel has."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_every_file_of_both_programs_is_in_the_wheel(wheel: Path) -> None:
    # Followed: manifests and runbooks lie beside the package, and are a part of it.
    wanted = {
        f"{program}/{path.relative_to(ROOT / program)}"
        for program in ("runtime", "bookpayctl")
        for folder in (ROOT / program, *(ROOT / program).glob("*"))
        if folder.is_dir()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed(wheel) == wanted


def test_manifests_dashboards_and_runbooks_are_among_them(wheel: Path) -> None:
    folders = {"manifests": {".yaml", ".json"}, "runbooks": {".md"}}

    found = {
        folder: {Path(name).suffix for name in packed(wheel) if f"bookpayctl/{folder}/" in name}
        for folder in folders
    }

    assert found == folders


def test_the_wheel_says_what_it_is_and_under_which_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        folder = f"bookpay-{VERSION}.dist-info"
        metadata = archive.read(f"{folder}/METADATA").decode()
        names = archive.namelist()

    assert wheel.name == f"bookpay-{VERSION}-py3-none-any.whl"
    assert "License-Expression: Apache-2.0" in metadata
    assert f"{folder}/licenses/LICENSE" in names


def test_the_code_that_runs_is_the_wheels(shipped: Installed) -> None:
    done = shipped.run(str(shipped.python), "-c", "import bookpayctl; print(bookpayctl.__file__)")

    assert Path(done.stdout.strip()).is_relative_to(shipped.python.parents[1])


def test_it_says_its_version_and_what_it_can_do(shipped: Installed) -> None:
    version = shipped.run(str(shipped.script), "--version")
    helped = shipped.run(str(shipped.script), "--help")

    assert (version.returncode, version.stdout) == (0, f"bookpayctl {VERSION}\n")
    assert helped.returncode == 0
    assert "certify" in helped.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_its_commands(shipped: Installed, shell: str) -> None:
    asked = {
        "_BOOKPAYCTL_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "bookpayctl dr",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "bookpayctl dr",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }

    done = shipped.run(str(shipped.script), environment=asked)

    assert "drill" in done.stdout
    assert "certify" not in done.stdout


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("runbook", "list"), "stripe-down"),
        (("explain", "I01"), "I01"),
        (("drill", "list"), "outage"),
        (("config", "show"), "webhook_port"),
    ],
)
def test_what_it_reads_came_with_it(
    shipped: Installed, command: tuple[str, ...], expected: str
) -> None:
    done = shipped.run(str(shipped.script), *command)

    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


def test_the_services_start_from_it(shipped: Installed) -> None:
    done = shipped.run(str(shipped.python), "-P", "-m", "runtime", "migrate")

    # As far as it can come without a database: to the setting that names one.
    assert (done.returncode, done.stderr) == (2, "migrate: DB_DSN is not set\n")
