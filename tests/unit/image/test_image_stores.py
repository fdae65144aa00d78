"""Layers that are kept: believed when they are what was written, and made again otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.image.entries import file_entry
from bookpayctl.image.layer import Layer, write_layer
from bookpayctl.image.materials import Material
from bookpayctl.image.store import LayerStore, Stored, opened_store

ANT = Material("pypi", "", "ant", "1.0", "ant-1.0-py3-none-any.whl", "a" * 64)


class Kitchen:
    """Makes the layer, and counts how often it had to."""

    def __init__(self) -> None:
        self.made = 0

    def layer(self, store: LayerStore, *inputs: str) -> Stored:
        def write(path: Path) -> tuple[Layer, tuple[Material, ...]]:
            self.made += 1
            text = "".join(inputs).encode()
            return write_layer([file_entry("opt/x", text)], path), (ANT,)

        return store.layer("wheels", inputs, write)


def test_the_same_inputs_are_written_once(tmp_path: Path) -> None:
    kitchen = Kitchen()

    with opened_store(tmp_path) as store:
        first = kitchen.layer(store, "a")
    with opened_store(tmp_path) as store:
        second = kitchen.layer(store, "a")

    assert kitchen.made == 1
    assert first == second
    assert second.materials == (ANT,)


def test_other_inputs_are_another_layer(tmp_path: Path) -> None:
    kitchen = Kitchen()

    with opened_store(tmp_path) as store:
        found = {kitchen.layer(store, *inputs).layer.path for inputs in ("a", "b", "ab")}

    assert len(found) == 3


@pytest.mark.parametrize("damage", ["layer", "note", "cut short"])
def test_a_layer_that_was_damaged_is_made_again(tmp_path: Path, damage: str) -> None:
    kitchen = Kitchen()
    with opened_store(tmp_path) as store:
        kept = kitchen.layer(store, "a").layer
        content = kept.path.read_bytes()
        if damage == "layer":
            kept.path.write_bytes(content.replace(b"a", b"b"))
        elif damage == "note":
            kept.path.with_suffix(".json").write_text("{")
        else:
            kept.path.write_bytes(content[:100])

        again = kitchen.layer(store, "a").layer

    assert kitchen.made == 2
    assert again == kept
    assert again.path.read_bytes() == content


def test_what_a_build_that_died_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".building-dead" / "site-packages").mkdir(parents=True)

    with opened_store(tmp_path):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_of_a_kind_only_the_last_few_are_kept(tmp_path: Path) -> None:
    kitchen = Kitchen()

    with opened_store(tmp_path) as store:
        paths = [kitchen.layer(store, str(number)).layer.path for number in range(6)]

    assert [path.exists() for path in paths].count(True) == 3
    assert paths[-1].exists()
    assert len(list(tmp_path.glob("*.json"))) == 3
