"""The archive: whole or not at all, and what it says about the image."""

from __future__ import annotations

import hashlib
import json
import resource
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bookpayctl.image.archive import write_archive
from bookpayctl.image.description import ImageOrigin, described, image_id
from bookpayctl.image.entries import file_entry, in_order
from bookpayctl.image.errors import ImageError
from bookpayctl.image.foundation import Base, read_base
from bookpayctl.image.layer import Layer, write_layer
from bookpayctl.report.exit_code import ExitCode
from tests.support.base_images import write_base

ORIGIN = ImageOrigin("1.2.3", "c0ffee", "https://example.org/bookpay")


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """As a full disk: the kernel refuses what is beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def ingredients(folder: Path) -> tuple[Base, list[Layer], bytes]:
    base = read_base(write_base(folder / "base.tar"))
    layer = write_layer(in_order([file_entry("opt/x", b"x" * 100_000)]), folder / "layer.tar")
    return base, [layer], described(base.config, [("ours", layer)], ORIGIN)


def read_json(archive: tarfile.TarFile, name: str) -> Any:
    stream = archive.extractfile(name)
    assert stream is not None
    return json.load(stream)


def test_every_layer_has_the_digest_that_the_description_names(tmp_path: Path) -> None:
    base, layers, config = ingredients(tmp_path)

    write_archive(
        tmp_path / "image.tar", base=base, layers=layers, config=config, tag="bookpay:dev"
    )

    with tarfile.open(tmp_path / "image.tar") as archive:
        (image,) = read_json(archive, "manifest.json")
        told = read_json(archive, image["Config"])
        streams = [archive.extractfile(name) for name in image["Layers"]]
        digests = [hashlib.sha256(stream.read()).hexdigest() for stream in streams if stream]
    assert image["RepoTags"] == ["bookpay:dev"]
    assert image["Config"] == f"{image_id(config).removeprefix('sha256:')}.json"
    assert [f"sha256:{digest}" for digest in digests] == told["rootfs"]["diff_ids"]
    assert len(digests) == 2


def test_two_archives_of_the_same_are_the_same_bytes(tmp_path: Path) -> None:
    base, layers, config = ingredients(tmp_path)

    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, base=base, layers=layers, config=config, tag="bookpay:dev")

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    base, layers, config = ingredients(tmp_path)
    place = tmp_path / "out"
    place.mkdir()
    (place / "image.tar").write_bytes(b"the old one")

    with files_of_at_most(50_000), pytest.raises(ImageError, match="nothing is left") as refused:
        write_archive(place / "image.tar", base=base, layers=layers, config=config, tag="x:y")

    assert refused.value.code is ExitCode.UNKNOWN
    assert [path.name for path in place.iterdir()] == ["image.tar"]
    assert (place / "image.tar").read_bytes() == b"the old one"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    base, layers, config = ingredients(tmp_path)

    with pytest.raises(ImageError, match="No such file or directory"):
        write_archive(tmp_path / "no" / "x.tar", base=base, layers=layers, config=config, tag="x:y")


def test_a_container_begins_as_the_manifests_expect(tmp_path: Path) -> None:
    _, _, config = ingredients(tmp_path)

    told = json.loads(config)["config"]

    assert told["Entrypoint"] == ["python3", "-P", "-m"]
    assert told["Cmd"] == ["bookpayctl", "--help"]
    assert (told["User"], told["WorkingDir"]) == ("10001:10001", "/")
    assert told["Env"] == [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "LANG=C.UTF-8",
        "PYTHONPATH=/opt/bookpay/site-packages",
        "BOOKPAY_CACHE=/opt/bookpay/cache",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
        "PYTHONUTF8=1",
        "HOME=/tmp",
    ]


def test_the_labels_are_those_of_oci(tmp_path: Path) -> None:
    _, _, config = ingredients(tmp_path)

    assert json.loads(config)["config"]["Labels"] == {
        "org.opencontainers.image.title": "bookpay",
        "org.opencontainers.image.description": (
            "The services of bookpay, its Stripe twin, and its servers"
        ),
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.revision": "c0ffee",
        "org.opencontainers.image.source": "https://example.org/bookpay",
        "org.opencontainers.image.created": "1980-01-01T00:00:00Z",
    }


def test_the_history_matches_the_layers_or_is_not_there(tmp_path: Path) -> None:
    history = [{"created_by": "base"}, {"created_by": "CMD", "empty_layer": True}]
    wrong = [*history, {"created_by": "one too many"}]
    layer = write_layer([], tmp_path / "layer.tar")

    whole = read_base(write_base(tmp_path / "whole.tar", history=history))
    odd = read_base(write_base(tmp_path / "odd.tar", history=wrong))

    told = json.loads(described(whole.config, [("wheels", layer)], ORIGIN))["history"]
    assert told[-1]["created_by"] == "bookpayctl image build: wheels"
    assert len([line for line in told if not line.get("empty_layer")]) == 2
    assert "history" not in json.loads(described(odd.config, [("wheels", layer)], ORIGIN))
