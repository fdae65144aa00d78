"""The image in an archive: told by the digest of its configuration, refused under another name."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from bookpayctl.targets.kind.errors import ArchiveError
from bookpayctl.targets.kind.image_archive import read_archived_image

CONFIG = b'{"architecture":"amd64","os":"linux"}'
IMAGE_ID = f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"


def archive(path: Path, *tags: str, config: str = "abc.json") -> Path:
    manifest = json.dumps([{"Config": "abc.json", "RepoTags": list(tags), "Layers": []}]).encode()
    with tarfile.open(path, "w") as file:
        for name, content in ((config, CONFIG), ("manifest.json", manifest)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def test_an_image_is_known_by_its_configuration_and_its_whole_name(tmp_path: Path) -> None:
    image = read_archived_image(archive(tmp_path / "a.tar", "bookpay:dev"), "bookpay:dev")

    assert image.image_id == IMAGE_ID
    assert image.names == ("docker.io/library/bookpay:dev",)


def test_an_archive_of_another_image_is_refused_with_the_name_it_holds(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"holds docker\.io/library/bookpay:dev") as refused:
        read_archived_image(archive(tmp_path / "a.tar", "bookpay:dev"), "bookpay:prod")

    assert "--image" in refused.value.fix


def test_an_archive_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="images without names"):
        read_archived_image(archive(tmp_path / "a.tar"), "bookpay:dev")


def test_what_is_not_there_or_is_no_archive_is_refused_with_the_command_that_makes_one(
    tmp_path: Path,
) -> None:
    text = tmp_path / "text.tar"
    text.write_text("no archive")
    cut = archive(tmp_path / "cut.tar", "bookpay:dev", config="other.json")

    for path in (tmp_path / "absent.tar", text, cut):
        with pytest.raises(ArchiveError) as refused:
            read_archived_image(path, "bookpay:dev")
        assert str(path) in str(refused.value)
        assert "bookpayctl image build" in refused.value.fix
