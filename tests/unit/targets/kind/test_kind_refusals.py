"""What `--on kind` says on a machine that has no kind, and what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.targets import settings
from bookpayctl.targets.kind.errors import ImageMissingError
from bookpayctl.targets.kind.node_contents import refuse_without_image
from bookpayctl.targets.kind.options import KindOptions, read_kind_options, refuse_another_cluster
from bookpayctl.targets.kind.plan import KindRecord
from bookpayctl.targets.settings import SettingsError
from tests.support.command_line import CommandLine


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    home, nothing = tmp_path / "home", tmp_path / "empty"
    home.mkdir()
    nothing.mkdir()
    return CommandLine(home, {"PATH": str(nothing)}, "shop")


def test_without_kind_nothing_is_made_and_the_next_step_is_named(command: CommandLine) -> None:
    done = command.run("up", "--on", "kind")

    assert done.returncode == 2
    assert "kind is not on PATH" in done.stderr
    assert "install kind" in done.stderr
    assert not command.root.exists()


def test_doctor_names_what_lacks_and_ends_with_1(command: CommandLine) -> None:
    document = command.ask("doctor", "--on", "kind")

    found = {one["subject"]: one for one in document["findings"]}
    assert document["exit"]["code"] == 1
    assert (found["kind"]["result"], found["kubectl"]["result"]) == ("failed", "failed")
    assert "install kind" in found["kind"]["fix"]


def options(tmp_path: Path, **flags: str) -> KindOptions:
    return read_kind_options(settings.resolve(flags, {}, tmp_path))


def test_the_settings_of_the_cluster_have_defaults(tmp_path: Path) -> None:
    assert options(tmp_path) == KindOptions("bookpay", None, None, None)


@pytest.mark.parametrize(
    ("flags", "why"),
    [({"kind_cluster": "My Cluster"}, "kind_cluster"), ({"context": "kind-bookpay"}, "--context")],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, flags: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        options(tmp_path, **flags)


def test_an_environment_stays_on_its_cluster(tmp_path: Path) -> None:
    record = KindRecord("bookpay", created=True, api_port=30_001)

    refuse_another_cluster("shop", None, options(tmp_path, kind_cluster="other"))
    refuse_another_cluster("shop", record, options(tmp_path))
    with pytest.raises(SettingsError, match="--purge"):
        refuse_another_cluster("shop", record, options(tmp_path, kind_cluster="other"))


def test_a_new_cluster_is_not_made_for_an_image_that_nobody_can_bring(tmp_path: Path) -> None:
    refuse_without_image(options(tmp_path), "ghcr.io/me/bookpay:1")
    refuse_without_image(options(tmp_path, archive="bookpay.tar"), "bookpay:dev")

    with pytest.raises(ImageMissingError) as refused:
        refuse_without_image(options(tmp_path), "bookpay:dev")

    assert "image build --archive F.tar" in refused.value.fix
    assert "up --on kind --archive F.tar" in refused.value.fix
