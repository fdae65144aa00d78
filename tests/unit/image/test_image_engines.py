"""The command lines of the three engines, the Containerfile, and what a tag may look like."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bookpayctl.image.account import with_group, with_user
from bookpayctl.image.description import COMMAND, ENTRYPOINT, VARIABLES
from bookpayctl.image.engines import Engine, pinned_base
from bookpayctl.image.errors import ImageError
from bookpayctl.image.platforms import ImagePlatform, platform_named, wheel_platforms

ROOT = Path(__file__).resolve().parents[3]
CONTAINERFILE = (ROOT / "Containerfile").read_text()
ARM = ImagePlatform("arm64")


@pytest.mark.parametrize(
    ("engine", "save", "identify"),
    [
        (
            "docker",
            "docker save --output F.tar x@sha256:1",
            "docker image inspect --format {{.Id}} t",
        ),
        (
            "podman",
            "podman save --format docker-archive --output F.tar x@sha256:1",
            "podman image inspect --format {{.Id}} t",
        ),
        (
            "buildah",
            "buildah push x@sha256:1 docker-archive:F.tar",
            "buildah inspect --type image --format {{.FromImageID}} t",
        ),
    ],
)
def test_each_engine_is_spoken_to_in_its_words(engine: str, save: str, identify: str) -> None:
    one = Engine(engine)

    assert " ".join(one.save_command("x@sha256:1", Path("F.tar"))) == save
    assert " ".join(one.id_command("t")) == identify
    assert " ".join(one.build_command(Path("/src"), "bookpay:dev", ARM, {"VERSION": "1"})) == (
        f"{engine} build --platform linux/arm64 --file /src/Containerfile --tag bookpay:dev"
        " --build-arg VERSION=1 /src"
    )


def test_the_base_is_pinned_by_its_digest() -> None:
    assert re.fullmatch(r"docker\.io/library/python@sha256:[0-9a-f]{64}", pinned_base(ROOT))


def test_a_base_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Containerfile").write_text("ARG BASE=python:3.12-slim\nFROM ${BASE}\n")

    with pytest.raises(ImageError, match="by its digest"):
        pinned_base(tmp_path)


def test_without_a_checkout_no_engine_can_build(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="from a checkout") as refused:
        pinned_base(tmp_path)
    assert "--archive" in refused.value.fix


def test_a_container_begins_the_same_way_whoever_built_the_image() -> None:
    assert "USER 10001:10001" in CONTAINERFILE
    assert f"ENTRYPOINT {ENTRYPOINT}".replace("'", '"') in CONTAINERFILE
    assert f"CMD {COMMAND}".replace("'", '"') in CONTAINERFILE
    assert [name for name in VARIABLES if f"{name}={VARIABLES[name]}" not in CONTAINERFILE] == []


def test_every_folder_that_the_containerfile_copies_reaches_the_engine() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    let_in = (ROOT / ".dockerignore").read_text().splitlines()

    assert {f"!{name}" for line in copied for name in line.split()} <= set(let_in)
    assert let_in[1] == "*"


@pytest.mark.parametrize("text", ["windows/amd64", "linux", "linux/riscv64", "linux/amd64/v9", ""])
def test_a_platform_without_wheels_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="there are linux/amd64 and linux/arm64"):
        platform_named(text)


def test_wheels_ask_for_no_newer_glibc_than_there_is() -> None:
    tags = wheel_platforms("x86_64", 28)

    assert tags[0] == "manylinux_2_28_x86_64"
    assert "manylinux2014_x86_64" in tags
    assert tags[-2:] == ["manylinux1_x86_64", "linux_x86_64"]
    assert wheel_platforms("aarch64", 17) == [
        *("manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64")
    ]


def test_our_user_is_added_once_and_nobody_else_has_its_number() -> None:
    before = "root:x:0:0:root:/root:/bin/bash\nother:x:10001:10001::/:/bin/sh\n"
    after = (
        "root:x:0:0:root:/root:/bin/bash\nbookpay:x:10001:10001:bookpay:/tmp:/usr/sbin/nologin\n"
    )

    assert with_user(before) == after
    assert with_user(after) == after
    assert with_group("root:x:0:") == "root:x:0:\nbookpay:x:10001:\n"
