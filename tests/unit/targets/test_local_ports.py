"""Ports are free when chosen, stay with their environment, and are never handed out twice."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bookpayctl.targets.local.machine import ports

NAMES = ("postgres", "kafka", "receiver")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server


def make_root(tmp_path: Path, name: str) -> Path:
    root = tmp_path / name
    root.mkdir()
    return root


def reserve(tmp_path: Path, root: Path, **more: object) -> ports.Ports:
    arguments = {"recorded": {}, "pinned": {}, **more}
    return ports.reserve(tmp_path / "registry", root, NAMES, **arguments)  # type: ignore[arg-type]


def test_two_environments_never_share_a_port(tmp_path: Path) -> None:
    one = reserve(tmp_path, make_root(tmp_path, "one"))
    two = reserve(tmp_path, make_root(tmp_path, "two"))

    assert set(one.by_name) == set(two.by_name) == set(NAMES)
    assert len({*one.by_name.values(), *two.by_name.values()}) == 2 * len(NAMES)


def test_ports_lie_below_the_range_of_outgoing_connections(tmp_path: Path) -> None:
    chosen = reserve(tmp_path, make_root(tmp_path, "one"))

    assert all(20_000 <= port < 32_000 for port in chosen.by_name.values())


def test_recorded_ports_are_kept(tmp_path: Path) -> None:
    root = make_root(tmp_path, "one")
    first = reserve(tmp_path, root)

    second = reserve(tmp_path, root, recorded=first.by_name)

    assert second.by_name == first.by_name
    assert second.replaced == {}


def test_a_recorded_port_that_a_stranger_took_is_replaced_and_named(
    tmp_path: Path, listener: socket.socket
) -> None:
    taken = listener.getsockname()[1]

    chosen = reserve(tmp_path, make_root(tmp_path, "one"), recorded={"kafka": taken})

    assert chosen.replaced == {"kafka": taken}
    assert chosen.by_name["kafka"] != taken


def test_a_recorded_port_on_which_we_listen_ourselves_is_kept(
    tmp_path: Path, listener: socket.socket
) -> None:
    ours = listener.getsockname()[1]

    chosen = reserve(
        tmp_path,
        make_root(tmp_path, "one"),
        recorded={"kafka": ours},
        busy_is_ours=frozenset({ours}),
    )

    assert chosen.by_name["kafka"] == ours


def test_a_pinned_port_that_is_taken_is_refused_with_its_holder(
    tmp_path: Path, listener: socket.socket
) -> None:
    taken = listener.getsockname()[1]

    with pytest.raises(ports.PortTakenError, match=rf"port {taken} for receiver is taken by pid"):
        reserve(tmp_path, make_root(tmp_path, "one"), pinned={"receiver": taken})


def test_a_pinned_port_of_another_environment_is_refused_even_while_that_is_down(
    tmp_path: Path,
) -> None:
    theirs = reserve(tmp_path, make_root(tmp_path, "one")).by_name["receiver"]

    with pytest.raises(ports.PortTakenError, match="reserved by the environment in"):
        reserve(tmp_path, make_root(tmp_path, "two"), pinned={"receiver": theirs})


def test_ports_of_a_deleted_environment_are_free_again(tmp_path: Path) -> None:
    gone = make_root(tmp_path, "one")
    port = reserve(tmp_path, gone).by_name["receiver"]
    shutil.rmtree(gone)

    chosen = reserve(tmp_path, make_root(tmp_path, "two"), pinned={"receiver": port})

    assert chosen.by_name["receiver"] == port


def test_released_ports_may_be_pinned_by_others(tmp_path: Path) -> None:
    root = make_root(tmp_path, "one")
    port = reserve(tmp_path, root).by_name["receiver"]

    ports.release(tmp_path / "registry", root)

    chosen = reserve(tmp_path, make_root(tmp_path, "two"), pinned={"receiver": port})
    assert chosen.by_name["receiver"] == port


def test_a_registry_that_was_cut_short_is_begun_anew(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    registry.mkdir()
    (registry / "ports.json").write_text('{"20001": "/som')

    chosen = reserve(tmp_path, make_root(tmp_path, "one"))

    assert set(chosen.by_name) == set(NAMES)
