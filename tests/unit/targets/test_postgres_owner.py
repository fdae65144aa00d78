"""Root never runs the database, and its user is only sent where it can go."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookpayctl.targets.servers.owner import Owner, OwnerError, can_traverse, database_owner

STRANGER = Owner("stranger", uid=4_000_000, gid=4_000_000)


def test_a_normal_user_runs_the_database_himself() -> None:
    assert database_owner({}, effective_uid=1000) is None


def test_root_runs_it_as_nobody() -> None:
    owner = database_owner({}, effective_uid=0)

    assert owner is not None
    assert owner.name == "nobody"
    assert owner.uid != 0


def test_root_may_not_be_asked_for() -> None:
    with pytest.raises(OwnerError, match="is root"):
        database_owner({"BOOKPAY_POSTGRES_USER": "root"}, effective_uid=0)


def test_a_user_who_does_not_exist_is_refused_with_the_remedy() -> None:
    with pytest.raises(OwnerError, match="set BOOKPAY_POSTGRES_USER"):
        database_owner({"BOOKPAY_POSTGRES_USER": "no-such-user"}, effective_uid=0)


def test_a_private_folder_on_the_way_is_in_the_way(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    assert can_traverse(STRANGER, home / "project") is False


def test_open_folders_can_be_traversed_and_the_last_need_not_exist() -> None:
    assert can_traverse(STRANGER, Path("/usr/lib/does-not-exist-yet")) is True
