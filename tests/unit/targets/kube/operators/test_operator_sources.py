"""An operator's files are the pinned ones, whoever brings them, or none of them is used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.kube.operators.pins import Operator, pinned_operators
from bookpayctl.targets.kube.operators.sources import (
    OperatorFilesError,
    OperatorSources,
    OtherBytesError,
    texts_of,
)

TEXTS = {"010-first.yaml": "kind: First\n", "020-second.yaml": "kind: Second # ü\n"}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


OPERATOR = Operator(
    name="small",
    title="Small 1.0",
    group="small.example",
    crd="smalls.small.example",
    folder="small-1.0",
    at="https://small.example/1.0/",
    images=("small.example/operator:1.0",),
    files={name: digest(text) for name, text in TEXTS.items()},
)


def upstream(texts: dict[str, str], asked: list[str]) -> Callable[[str], str]:
    def fetch(address: str) -> str:
        asked.append(address)
        return texts[address.removeprefix(OPERATOR.at)]

    return fetch


def offline(address: str) -> str:
    raise OSError(f"{address}: no route to host")


def brought(folder: Path, texts: dict[str, str]) -> Path:
    (folder / OPERATOR.folder).mkdir(parents=True)
    for name, text in texts.items():
        (folder / OPERATOR.folder / name).write_text(text)
    return folder


def test_what_is_fetched_is_kept_and_not_fetched_again(tmp_path: Path) -> None:
    sources, asked = OperatorSources(None, tmp_path), list[str]()

    first = texts_of(OPERATOR, sources, upstream(TEXTS, asked))
    again = texts_of(OPERATOR, sources, offline)

    assert first == again == list(TEXTS.values())
    assert asked == [f"{OPERATOR.at}{name}" for name in TEXTS]


def test_the_cache_of_one_machine_is_what_another_is_given(tmp_path: Path) -> None:
    texts_of(OPERATOR, OperatorSources(None, tmp_path), upstream(TEXTS, []))

    sources = OperatorSources(tmp_path / "operators", tmp_path / "empty")

    assert texts_of(OPERATOR, sources, offline) == list(TEXTS.values())


def test_what_upstream_sends_instead_is_refused_and_not_kept(tmp_path: Path) -> None:
    changed = {**TEXTS, "020-second.yaml": "kind: Evil\n"}
    sources = OperatorSources(None, tmp_path)

    with pytest.raises(OtherBytesError) as refused:
        texts_of(OPERATOR, sources, upstream(changed, []))

    assert refused.value.code is ExitCode.REFUSED
    assert digest("kind: Evil\n") in str(refused.value)
    assert sources.absent(OPERATOR) == ["020-second.yaml"]


@pytest.mark.parametrize("with_folder", [True, False], ids=["brought", "cached"])
def test_a_file_that_was_changed_on_the_disk_is_refused(tmp_path: Path, with_folder: bool) -> None:
    changed = {**TEXTS, "010-first.yaml": "kind: First # and more\n"}
    folder = brought(tmp_path if with_folder else tmp_path / "operators", changed)
    sources = OperatorSources(folder if with_folder else None, tmp_path)

    with pytest.raises(OtherBytesError, match=re.escape("010-first.yaml")):
        texts_of(OPERATOR, sources, offline)


def test_without_a_network_every_file_to_bring_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorFilesError) as unknown:
        texts_of(OPERATOR, OperatorSources(None, tmp_path), offline)

    assert unknown.value.code is ExitCode.UNKNOWN
    assert "small-1.0/010-first.yaml, small-1.0/020-second.yaml" in str(unknown.value)
    assert "no route to host" in str(unknown.value)
    assert "--manifests DIR" in unknown.value.fix
    assert OPERATOR.at in unknown.value.fix
    assert OPERATOR.images[0] in unknown.value.fix


def test_a_folder_that_lacks_files_is_not_completed_from_the_network(tmp_path: Path) -> None:
    folder = brought(tmp_path, {"010-first.yaml": TEXTS["010-first.yaml"]})
    asked: list[str] = []

    with pytest.raises(OperatorFilesError, match=re.escape("small-1.0/020-second.yaml")):
        texts_of(OPERATOR, OperatorSources(folder, tmp_path / "cache"), upstream(TEXTS, asked))

    assert asked == []


def test_every_pin_is_whole() -> None:
    operators = pinned_operators()

    assert [operator.name for operator in operators] == ["cnpg", "strimzi"]
    for operator in operators:
        assert operator.at.startswith("https://")
        assert operator.at.endswith("/")
        assert operator.crd.endswith(f".{operator.group}")
        assert operator.files
        for name, sha256 in operator.files.items():
            assert re.fullmatch(r"[0-9a-zA-Z.-]+\.yaml", name)
            assert re.fullmatch(r"[0-9a-f]{64}", sha256)
