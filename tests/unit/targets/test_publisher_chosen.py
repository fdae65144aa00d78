"""Who publishes is chosen once: `up` without a word about it exchanges nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bookpayctl.targets.environment import save
from bookpayctl.targets.platforms import as_chosen
from bookpayctl.targets.settings import resolve
from tests.support.environments import environment_away


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A shell in whose folder an environment was brought up with `--publisher wal`."""
    monkeypatch.setenv("BOOKPAY_HOME", str(tmp_path / ".bookpay"))
    root = tmp_path / ".bookpay" / "default"
    root.mkdir(parents=True)
    save(replace(environment_away(root), settings={"publisher": "wal"}))
    return {}


def chosen(flags: dict[str, str | None], environ: dict[str, str], folder: Path) -> str:
    return as_chosen(resolve(flags, environ, folder))["publisher"].text


def test_up_alone_keeps_it(environ: dict[str, str], tmp_path: Path) -> None:
    assert chosen({}, environ, tmp_path) == "wal"


def test_a_flag_a_variable_or_a_file_exchanges_it(environ: dict[str, str], tmp_path: Path) -> None:
    assert chosen({"publisher": "poll"}, environ, tmp_path) == "poll"
    assert chosen({}, {**environ, "BOOKPAY_PUBLISHER": "debezium"}, tmp_path) == "debezium"
    (tmp_path / "bookpay.toml").write_text('publisher = "poll"\n')
    assert chosen({}, environ, tmp_path) == "poll"


def test_an_environment_that_is_not_there_gets_the_default(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assert chosen({"name": "another"}, environ, tmp_path) == "poll"
