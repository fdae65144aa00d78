"""Bases: what is read from one, and each that is refused, with the reason."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from bookpayctl.image.errors import ImageError
from bookpayctl.image.foundation import library_files, read_base
from bookpayctl.image.inventory import installers_among
from tests.support.base_images import FILES, config_of, layer_of, write_base, write_members

SITE = "usr/local/lib/python3.12/site-packages"


def test_a_base_tells_its_python_its_glibc_and_its_users(tmp_path: Path) -> None:
    base = read_base(write_base(tmp_path / "base.tar"))

    inside = base.inventory
    assert (inside.python, inside.library) == ("3.12", "usr/local/lib/python3.12")
    assert inside.glibc_minor == 36
    assert inside.passwd.startswith("root:x:0:0:")
    assert base.tag == "python:slim"
    assert "usr/local/lib" in inside.folders
    assert list(library_files(base)) == ["usr/local/lib/python3.12/os.py"]


def test_an_older_glibc_says_its_version_in_its_name(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if "libc" not in name}
    layers = [layer_of({**files, "lib/x86_64-linux-gnu/libc-2.31.so": b""})]
    config = json.dumps(config_of(layers)).encode()

    base = read_base(write_members(tmp_path / "base.tar", layers, {"config.json": config}))

    assert base.inventory.glibc_minor == 31


def test_what_an_upper_layer_took_away_is_not_there(tmp_path: Path) -> None:
    brought = {f"{SITE}/pip/__init__.py": b"", f"{SITE}/wheel/__init__.py": b""}
    gone = {f"{SITE}/.wh.pip": b""}

    base = read_base(write_base(tmp_path / "base.tar", brought, gone))

    assert base.inventory.installers == (f"{SITE}/wheel",)


def test_an_opaque_folder_hides_the_layers_below_and_not_its_own(tmp_path: Path) -> None:
    brought = {f"{SITE}/pip/__init__.py": b""}
    again = {f"{SITE}/.wh..wh..opq": b"", f"{SITE}/setuptools/__init__.py": b""}

    base = read_base(write_base(tmp_path / "base.tar", brought, again))

    assert base.inventory.installers == (f"{SITE}/setuptools",)


def test_whatever_installs_packages_is_found() -> None:
    files = [
        f"{SITE}/pip/__init__.py",
        f"{SITE}/pip/_vendor/rich/text.py",
        f"{SITE}/pip-24.0.dist-info/METADATA",
        f"{SITE}/pipeline/__init__.py",
        "usr/local/lib/python3.12/ensurepip/_bundled/pip-24.0-py3-none-any.whl",
        "usr/local/bin/pip3.12",
        "usr/local/bin/python3.12",
        "usr/local/lib/python3.12/os.py",
    ]

    assert installers_among(files) == (
        "usr/local/bin/pip3.12",
        "usr/local/lib/python3.12/ensurepip",
        f"{SITE}/pip",
        f"{SITE}/pip-24.0.dist-info",
    )


def test_a_base_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no base archive"):
        read_base(tmp_path / "base.tar")


def test_a_folder_is_no_base(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        read_base(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a tar file" * 1000])
def test_what_is_no_tar_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "base.tar"
    path.write_bytes(content)

    with pytest.raises(ImageError, match="is not a docker-archive"):
        read_base(path)


def test_an_archive_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = write_base(tmp_path / "base.tar", {"usr/share/large": bytes(200_000)})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 150_000])

    with pytest.raises(ImageError, match="is not a docker-archive"):
        read_base(path)


def test_an_oci_archive_is_called_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "oci.tar"
    (tmp_path / "oci-layout").write_text("{}")
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "oci-layout", "oci-layout")

    with pytest.raises(ImageError, match="it is an OCI archive") as refused:
        read_base(path)
    assert "docker-archive:" in refused.value.fix


@pytest.mark.parametrize(
    "manifest", [b"[]", b"{", b"{}", b'[{"Config": "config.json"}]', b'[{"Layers": []}, {}]']
)
def test_a_description_that_is_none_is_refused(tmp_path: Path, manifest: bytes) -> None:
    layers = [layer_of(FILES)]
    others = {"config.json": b"{}", "manifest.json": manifest}

    with pytest.raises(ImageError, match="is not a docker-archive"):
        read_base(write_members(tmp_path / "base.tar", layers, others))


def test_a_base_without_python_is_refused(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if "python" not in name}
    layers = [layer_of(files)]
    config = json.dumps(config_of(layers)).encode()

    with pytest.raises(ImageError, match="holds no Python 3"):
        read_base(write_members(tmp_path / "base.tar", layers, {"config.json": config}))


def test_a_base_without_glibc_is_refused(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if "libc" not in name}
    layers = [layer_of({**files, "lib/libc.musl-x86_64.so.1": b""})]
    config = json.dumps(config_of(layers)).encode()

    with pytest.raises(ImageError, match="holds no glibc") as refused:
        read_base(write_members(tmp_path / "base.tar", layers, {"config.json": config}))
    assert "Alpine" in refused.value.fix
